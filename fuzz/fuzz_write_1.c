/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"
#include "fuzz_write_body.h"

/* Bodies of Remote-Write 1.0, after decompression. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_write_body(WRITE_1, data, size);
    return 0;
}
