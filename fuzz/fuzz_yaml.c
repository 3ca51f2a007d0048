/* SPDX-License-Identifier: Apache-2.0 */
#include "config/yaml.h"

#include <string.h>

#include "fuzz.h"

/* Recursive: the promise is that it is YAML_DEPTH_MAX deep. */
static void check_node(const struct yaml_node *node, unsigned depth, size_t *n_nodes)
{
    promise(depth <= YAML_DEPTH_MAX && ++*n_nodes <= YAML_NODES_MAX, "limits hold");
    promise(node->line >= 1 && node->column >= 1, "every node knows its place");
    if (node->kind == YAML_SCALAR) {
        promise(node->n == 0 && node->scalar.p[node->scalar.n] == '\0', "scalars end in a NUL");
        promise(strlen(node->scalar.p) == node->scalar.n, "and have none inside");
        promise(str_is_utf8(node->scalar), "and are UTF-8");
        return;
    }
    for (size_t i = 0; i < node->n; i++) {
        if (node->kind == YAML_MAP) {
            promise(node->keys[i].kind == YAML_SCALAR, "keys are scalars");
            check_node(&node->keys[i], depth + 1, n_nodes);
            if (node->n < 100)
                promise(yaml_get(node, node->keys[i].scalar.p) == &node->values[i],
                        "a key comes once");
        }
        check_node(&node->values[i], depth + 1, n_nodes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml *y = NULL;
    struct err err = {0};
    size_t n_nodes = 0;

    if (yaml_parse((struct str){(const char *)data, size}, "f.yml", &y, &err) != OK) {
        promise(err.rc == E_CONFIG || err.rc == E_LIMIT, "a failure has its kind");
        promise(strncmp(err.msg, "f.yml:", 6) == 0 && err.msg[6] >= '1' && err.msg[6] <= '9',
                "and says where");
        promise(!y, "and leaves the output alone");
        return 0;
    }
    check_node(yaml_root(y), 1, &n_nodes);
    yaml_free(y);
    return 0;
}
