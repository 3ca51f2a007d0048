/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/accept.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fuzz.h"

/* OpenMetrics is only for a header that names it, and it stays so when an item that cannot matter
 * is put behind. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char name[] = "application/openmetrics-text", more[] = ",image/png;q=1";
    char *text = malloc(size + sizeof more);

    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    memcpy(text + size, more, sizeof more);
    const enum exposition form = accept_exposition((struct str){text, size});
    promise(accept_exposition((struct str){text, size + sizeof more - 1}) == form,
            "what does not matter does not");
    bool named = false;
    for (size_t i = 0; !named && i + sizeof name - 1 <= size; i++)
        named = strncasecmp(text + i, name, sizeof name - 1) == 0;
    promise(named || form == EXPOSITION_TEXT, "OpenMetrics is for those who ask");
    free(text);
    return 0;
}
