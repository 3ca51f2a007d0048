/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "source/host_parse.h"

/* host_udev - what udev's database says of a block device, as Node Exporter's info metrics:
 * node_disk_info, node_disk_filesystem_info, node_disk_device_mapper_info, node_disk_ata_*
 *
 * Pure. The text is a file of /run/udev/data ("E:ID_MODEL=disk" among other lines), or empty
 * where there is none. What is not UTF-8 or too long is mended as every label value is. */

struct host_disk_id {
    struct str device, major, minor;
};

MUST_CHECK enum rc host_udev_parse(struct series_set *set, const struct host_disk_id *disk,
                                   struct str text, struct host_samples *out, struct err *err);
