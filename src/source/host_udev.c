/* SPDX-License-Identifier: Apache-2.0 */
#include "source/host_udev.h"

#include <math.h>

#include "source/host_scan.h"

enum property {
    DM_LV_LAYER,
    DM_LV_NAME,
    DM_NAME,
    DM_UUID,
    DM_VG_NAME,
    ID_ATA,
    ID_ATA_ROTATION_RATE_RPM,
    ID_ATA_WRITE_CACHE,
    ID_ATA_WRITE_CACHE_ENABLED,
    ID_FS_TYPE,
    ID_FS_USAGE,
    ID_FS_UUID,
    ID_FS_VERSION,
    ID_MODEL,
    ID_PATH,
    ID_REVISION,
    ID_SERIAL_SHORT,
    ID_WWN,
    PROPERTIES
};

static const char *const property_names[PROPERTIES] = {
    "DM_LV_LAYER",
    "DM_LV_NAME",
    "DM_NAME",
    "DM_UUID",
    "DM_VG_NAME",
    "ID_ATA",
    "ID_ATA_ROTATION_RATE_RPM",
    "ID_ATA_WRITE_CACHE",
    "ID_ATA_WRITE_CACHE_ENABLED",
    "ID_FS_TYPE",
    "ID_FS_USAGE",
    "ID_FS_UUID",
    "ID_FS_VERSION",
    "ID_MODEL",
    "ID_PATH",
    "ID_REVISION",
    "ID_SERIAL_SHORT",
    "ID_WWN",

};

static void read_line(struct str line, struct str value[PROPERTIES])
{
    if (!str_starts(line, STR("E:")))
        return; /* a link, a tag, a time */
    const char *name = line.p + 2;
    const char *equals = memchr(name, '=', line.n - 2);
    if (!equals)
        return;
    const struct str key = {name, (size_t)(equals - name)};
    for (size_t i = 0; i < PROPERTIES; i++)
        if (str_eq(key, str_of(property_names[i])))
            value[i] = (struct str){equals + 1, (size_t)(line.p + line.n - equals) - 1};
}

static enum rc add(struct series_set *set, const char *name, struct label *labels, size_t n,
                   double v, struct host_samples *out, struct err *err)
{
    enum { LABELS = 8, VALUE_MAX = 1024 }; /* together within SERIES_TEXT_MAX */
    char buf[LABELS][VALUE_MAX];
    uint32_t id;

    for (size_t i = 0; i < n; i++)
        labels[i].value = host_label_value(labels[i].value, buf[i], VALUE_MAX);
    if (series_set_intern(set, str_of(name), labels, n, METRIC_GAUGE, &id, err) != OK)
        return err->rc;
    return host_samples_add(out, id, v, err);
}

static enum rc add_ata(struct series_set *set, const struct host_disk_id *disk,
                       const struct str value[PROPERTIES], struct host_samples *out,
                       struct err *err)
{
    static const struct {
        enum property property;
        const char *name;
    } ata[] = {
        {ID_ATA_WRITE_CACHE, "node_disk_ata_write_cache"},
        {ID_ATA_WRITE_CACHE_ENABLED, "node_disk_ata_write_cache_enabled"},
        {ID_ATA_ROTATION_RATE_RPM, "node_disk_ata_rotation_rate_rpm"},
    };
    for (size_t i = 0; i < sizeof ata / sizeof *ata; i++) {
        struct label labels[] = {{STR("device"), disk->device}};
        double v;
        if (str_to_double(value[ata[i].property], &v) && isfinite(v) &&
            add(set, ata[i].name, labels, 1, v, out, err) != OK)
            return err->rc;
    }
    return OK;
}

enum rc host_udev_parse(struct series_set *set, const struct host_disk_id *disk, struct str text,
                        struct host_samples *out, struct err *err)
{
    struct str value[PROPERTIES] = {0};
    struct scan file = scan_of(text);
    struct str line;

    while (scan_line(&file, &line))
        read_line(line, value);

    struct label info[] = {
        {STR("device"), disk->device},
        {STR("major"), disk->major},
        {STR("minor"), disk->minor},
        {STR("model"), value[ID_MODEL]},
        {STR("path"), value[ID_PATH]},
        {STR("revision"), value[ID_REVISION]},
        {STR("serial"), value[ID_SERIAL_SHORT]},
        {STR("wwn"), value[ID_WWN]},
    };
    struct label filesystem[] = {
        {STR("device"), disk->device},          {STR("type"), value[ID_FS_TYPE]},
        {STR("usage"), value[ID_FS_USAGE]},     {STR("uuid"), value[ID_FS_UUID]},
        {STR("version"), value[ID_FS_VERSION]},
    };
    struct label mapper[] = {
        {STR("device"), disk->device},       {STR("lv_layer"), value[DM_LV_LAYER]},
        {STR("lv_name"), value[DM_LV_NAME]}, {STR("name"), value[DM_NAME]},
        {STR("uuid"), value[DM_UUID]},       {STR("vg_name"), value[DM_VG_NAME]},
    };
    if (add(set, "node_disk_info", info, 8, 1, out, err) != OK)
        return err->rc;
    if (value[ID_FS_TYPE].n &&
        add(set, "node_disk_filesystem_info", filesystem, 5, 1, out, err) != OK)
        return err->rc;
    if (value[DM_NAME].n && add(set, "node_disk_device_mapper_info", mapper, 6, 1, out, err) != OK)
        return err->rc;
    return value[ID_ATA].n ? add_ata(set, disk, value, out, err) : OK;
}
