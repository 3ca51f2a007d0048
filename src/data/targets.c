/* SPDX-License-Identifier: Apache-2.0 */
#include "data/targets.h"

#include "base/mem.h"

void target_list_free(struct target_list *l)
{
    mem_free(l); /* one block */
}
