/* SPDX-License-Identifier: Apache-2.0 */
/* The parsers of the collector netstat: /proc/net/netstat, snmp and snmp6. */
#include "source/host_parse.h"
#include "source/host_scan.h"

/* ^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)
 * |TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts)
 * |Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)
 * |Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$ */
static const char *const wanted[] = {
    "*:InErrors",         "*:InErrs",
    "Ip:Forwarding",      "Ip6:InOctets",
    "Ip6:OutOctets",      "IpExt:InOctets",
    "IpExt:OutOctets",    "Icmp:InMsgs",
    "Icmp:OutMsgs",       "Icmp6:InMsgs",
    "Icmp6:OutMsgs",      "TcpExt:Listen*",
    "TcpExt:Syncookies*", "TcpExt:TCPSynRetrans",
    "TcpExt:TCPTimeouts", "Tcp:ActiveOpens",
    "Tcp:InSegs",         "Tcp:OutSegs",
    "Tcp:OutRsts",        "Tcp:PassiveOpens",
    "Tcp:RetransSegs",    "Tcp:CurrEstab",
    "Udp:InDatagrams",    "Udp:OutDatagrams",
    "Udp:NoPorts",        "Udp:RcvbufErrors",
    "Udp:SndbufErrors",   "Udp6:InDatagrams",
    "Udp6:OutDatagrams",  "Udp6:NoPorts",
    "Udp6:RcvbufErrors",  "Udp6:SndbufErrors",
};

static bool matches(const char *pattern, struct str protocol, struct str field)
{
    const char *colon = strchr(pattern, ':');
    const struct str left = {pattern, (size_t)(colon - pattern)};
    struct str right = str_of(colon + 1);

    if (!str_eq(left, STR("*")) && !str_eq(left, protocol))
        return false;
    if (right.p[right.n - 1] != '*')
        return str_eq(right, field);
    right.n--;
    return str_starts(field, right);
}

bool host_netstat_is_wanted(struct str protocol, struct str field)
{
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (matches(wanted[i], protocol, field))
            return true;
    return false;
}

enum rc host_name_netstat(struct host_rows *t, struct str key, unsigned column, uint32_t *ret_id,
                          struct err *err)
{
    char suffix[64] = "_";

    (void)column; /* there is one */
    if (key.n > sizeof suffix - 2)
        return err_set(err, E_PARSE, "expected a field's name, found %zu bytes", key.n);
    memcpy(suffix + 1, key.p, key.n);
    return host_intern_name(t->set, "node_netstat_", t->scope, (struct str){"", 0}, suffix,
                            METRIC_UNTYPED, ret_id, err);
}

/* One protocol: the names' line after "PROTOCOL:", and the values' line likewise. */
static enum rc parse_pairs(struct host_rows *t, struct scan *names, struct scan *values,
                           struct host_samples *out, struct err *err)
{
    while (!scan_at_end(names)) {
        struct host_row *row;
        double v;
        if (host_rows_next(t, scan_word(names), &row, err) != OK)
            return err->rc;
        if (row->use == HOST_NEW)
            row->use =
                host_netstat_is_wanted(t->scope, host_row_key(t, row)) ? HOST_KEEP : HOST_SKIP;
        if (row->use == HOST_SKIP) {
            if (scan_word(values).n == 0)
                return err_set(err, E_PARSE, "fewer values than names");
            continue;
        }
        if (!scan_number(values, &v))
            return err_set(err, E_PARSE, "no number for a name");
        if (host_rows_emit(t, row, 0, v, out, err) != OK)
            return err->rc;
    }
    return scan_at_end(values) ? OK : err_set(err, E_PARSE, "more values than names");
}

enum rc host_parse_netstat(struct host_rows *t, struct str text, struct host_samples *out,
                           struct err *err)
{
    struct scan file = scan_of(text);
    struct str names_line, values_line;

    while (scan_line(&file, &names_line)) {
        struct scan names = scan_of(names_line);
        struct host_row *row;
        const struct str protocol = scan_word(&names);
        if (protocol.n < 2 || protocol.p[protocol.n - 1] != ':' || !scan_line(&file, &values_line))
            return host_line_error(text, names_line, "'PROTOCOL: NAMES' and a line of values", err);
        struct scan values = scan_of(values_line);
        if (!str_eq(scan_word(&values), protocol))
            return host_line_error(text, values_line, "the values of the line before", err);
        if (host_rows_next(t, protocol, &row, err) != OK) /* holds the place of its fields */
            return err->rc;
        row->use = HOST_SKIP;
        t->scope = (struct str){protocol.p, protocol.n - 1};
        if (parse_pairs(t, &names, &values, out, err) != OK)
            return err_wrap(err, "%.*s", (int)protocol.n - 1, protocol.p);
    }
    return OK;
}

/* "Udp6InDatagrams" is protocol Udp6, field InDatagrams; what has no 6 is passed over. */
static struct str snmp6_protocol(struct str key)
{
    const char *six = memchr(key.p, '6', key.n);
    return (struct str){key.p, six ? (size_t)(six + 1 - key.p) : 0};
}

enum rc host_name_snmp6(struct host_rows *t, struct str key, unsigned column, uint32_t *ret_id,
                        struct err *err)
{
    const struct str protocol = snmp6_protocol(key);

    t->scope = protocol;
    return host_name_netstat(t, (struct str){key.p + protocol.n, key.n - protocol.n}, column,
                             ret_id, err);
}

static enum host_use snmp6_use(struct str key)
{
    const struct str protocol = snmp6_protocol(key);
    const struct str field = {key.p + protocol.n, key.n - protocol.n};
    return protocol.n && host_netstat_is_wanted(protocol, field) ? HOST_KEEP : HOST_SKIP;
}

enum rc host_parse_snmp6(struct host_rows *t, struct str text, struct host_samples *out,
                         struct err *err)
{
    struct scan file = scan_of(text);
    struct str line;

    while (scan_line(&file, &line)) {
        struct scan s = scan_of(line);
        struct host_row *row;
        double v;
        if (host_rows_next(t, scan_word(&s), &row, err) != OK)
            return err->rc;
        if (row->use == HOST_NEW)
            row->use = snmp6_use(host_row_key(t, row));
        if (row->use == HOST_SKIP)
            continue;
        if (!scan_number(&s, &v))
            return host_line_error(text, line, "'NAME NUMBER'", err);
        if (host_rows_emit(t, row, 0, v, out, err) != OK)
            return err->rc;
    }
    return OK;
}
