/* SPDX-License-Identifier: Apache-2.0 */
#include <regex.h>
#include <unistd.h>

#include "host_samples.h"

#include "base/mem.h"
#include "base/rng.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The text gives exactly these samples. */
static void check(enum host_format_id format, const char *text, const char *expected)
{
    struct parsed p = parsed_new(format);

    if (parse_next(&p, str_of(text)) != OK)
        fail_msg("%s", p.err.msg);
    char *got = samples_text(p.set, &p.samples);
    assert_string_equal(got, expected);
    mem_free(got);
    parsed_done(&p);
}

/* The text is refused with this sentence. */
static void refuse_bytes(enum host_format_id format, struct str text, const char *sentence)
{
    struct parsed p = parsed_new(format);

    assert_int_equal(parse_next(&p, text), E_PARSE);
    assert_string_equal(p.err.msg, sentence);
    assert_int_equal(p.samples.n, 0);
    parsed_done(&p);
}

static void refuse(enum host_format_id format, const char *text, const char *sentence)
{
    refuse_bytes(format, str_of(text), sentence);
}

static void cpu_ticks_become_seconds_by_cpu_and_mode(void **state)
{
    (void)state;
    check(HOST_CPU,
          "cpu  1 2 3 4 5 6 7 8 9 10\n"
          "cpu7 10132153 290696 3084719 46828483 16683 0 25195 1 175628 12\n"
          "intr 5 cpu\ncpu8 is not looked at here\n",
          "node_cpu_seconds_total{cpu=7,mode=user} 101321.53\n"
          "node_cpu_seconds_total{cpu=7,mode=nice} 2906.96\n"
          "node_cpu_seconds_total{cpu=7,mode=system} 30847.19\n"
          "node_cpu_seconds_total{cpu=7,mode=idle} 468284.83\n"
          "node_cpu_seconds_total{cpu=7,mode=iowait} 166.83\n"
          "node_cpu_seconds_total{cpu=7,mode=irq} 0\n"
          "node_cpu_seconds_total{cpu=7,mode=softirq} 251.95\n"
          "node_cpu_seconds_total{cpu=7,mode=steal} 0.01\n"
          "node_cpu_guest_seconds_total{cpu=7,mode=user} 1756.28\n"
          "node_cpu_guest_seconds_total{cpu=7,mode=nice} 0.12\n");
}

static double value_of(const struct parsed *p, const char *series)
{
    char *text = samples_text(p->set, &p->samples);
    const char *at = strstr(text, series);
    double v = -1;

    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(series), "%lf", &v), 1);
    mem_free(text);
    return v;
}

static void idle_that_steps_back_a_little_stands_still(void **state)
{
    (void)state;
    struct parsed p = parsed_new(HOST_CPU);

    assert_int_equal(parse_next(&p, STR("cpu0 500 0 0 1000 70\n")), OK);
    assert_int_equal(parse_next(&p, STR("cpu0 510 0 0 999 69\n")), OK);
    assert_true(value_of(&p, "mode=user}") == 5.10);
    assert_true(value_of(&p, "mode=idle}") == 10.0);
    assert_true(value_of(&p, "mode=iowait}") == 0.7);
    assert_int_equal(parse_next(&p, STR("cpu0 510 0 0 1001 71\n")), OK);
    assert_true(value_of(&p, "mode=idle}") == 10.01);
    parsed_done(&p);
}

static void idle_that_falls_by_seconds_is_a_cpu_that_came_back(void **state)
{
    (void)state;
    struct parsed p = parsed_new(HOST_CPU);

    assert_int_equal(parse_next(&p, STR("cpu0 500 0 0 1000\n")), OK);
    assert_int_equal(parse_next(&p, STR("cpu0 3 0 0 700\n")), OK);
    assert_true(value_of(&p, "mode=user}") == 0.03);
    assert_true(value_of(&p, "mode=idle}") == 7);
    parsed_done(&p);
}

static void stat_gives_the_sum_of_interrupts_and_the_processes(void **state)
{
    (void)state;
    check(HOST_STAT,
          "cpu  1 2 3 4\ncpu0 1 2 3 4\nintr 99 5 0 17\nctxt 7\nbtime 1735689600\n"
          "processes 3\nprocs_running 2\nprocs_blocked 1\nsoftirq 5 1 2\nfuture x\n",
          "node_intr_total 99\nnode_context_switches_total 7\nnode_boot_time_seconds 1735689600\n"
          "node_forks_total 3\nnode_procs_running 2\nnode_procs_blocked 1\n");
}

static void meminfo_with_a_unit_is_bytes_and_parentheses_become_underscores(void **state)
{
    (void)state;
    check(HOST_MEMINFO,
          "MemTotal: 3 kB\nActive(anon):   1 kB\n\nHugePages_Total:   4\nA-b(c-d): 1\n",
          "node_memory_MemTotal_bytes 3072\nnode_memory_Active_anon_bytes 1024\n"
          "node_memory_HugePages_Total 4\nnode_memory_A_b_c_d 1\n");
}

static void vmstat_gives_paging_and_kills_alone(void **state)
{
    (void)state;
    check(HOST_VMSTAT, "nr_dirty 5\npgpgin 1\npgalloc_dma 2\npgmajfault 3\noom_kill 4\npswpout 5\n",
          "node_vmstat_pgpgin 1\nnode_vmstat_pgmajfault 3\nnode_vmstat_oom_kill 4\n"
          "node_vmstat_pswpout 5\n");
}

static void pressure_microseconds_become_seconds(void **state)
{
    (void)state;
    static const char text[] = "some avg10=0.18 avg60=0.34 avg300=0.10 total=159229614\n"
                               "full avg10=0.00 avg60=0.21 avg300=0.06 total=3\n";

    check(HOST_PSI_IO, text,
          "node_pressure_io_waiting_seconds_total 159.229614\n"
          "node_pressure_io_stalled_seconds_total 3e-06\n");
    check(HOST_PSI_CPU, text, "node_pressure_cpu_waiting_seconds_total 159.229614\n");
}

static void disk_sectors_become_bytes_and_milliseconds_seconds(void **state)
{
    (void)state;
    check(HOST_DISKSTATS, "   8  0 sda 1 2 3 4 5 6 7 8 9 10 11\n   8  1 sda1 1 2 3\n",
          "node_disk_reads_completed_total{device=sda} 1\n"
          "node_disk_reads_merged_total{device=sda} 2\n"
          "node_disk_read_bytes_total{device=sda} 1536\n"
          "node_disk_read_time_seconds_total{device=sda} 0.004\n"
          "node_disk_writes_completed_total{device=sda} 5\n"
          "node_disk_writes_merged_total{device=sda} 6\n"
          "node_disk_written_bytes_total{device=sda} 3584\n"
          "node_disk_write_time_seconds_total{device=sda} 0.008\n"
          "node_disk_io_now{device=sda} 9\n"
          "node_disk_io_time_seconds_total{device=sda} 0.01\n"
          "node_disk_io_time_weighted_seconds_total{device=sda} 0.011\n");
}

static void a_machine_without_disks_is_fine(void **state)
{
    (void)state;
    check(HOST_DISKSTATS, "", "");
}

#define NET_HEADER                                                                                 \
    "Inter-|   Receive                                                |  Transmit\n"               \
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "     \
    "drop fifo colls carrier compressed\n"

static void loopback_is_left_out_of_netdev(void **state)
{
    (void)state;
    check(HOST_NETDEV,
          NET_HEADER "    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
                     "eth0:18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
          "node_network_receive_bytes_total{device=eth0} 1.8446744073709552e+19\n"
          "node_network_receive_packets_total{device=eth0} 2\n"
          "node_network_receive_errs_total{device=eth0} 3\n"
          "node_network_receive_drop_total{device=eth0} 4\n"
          "node_network_receive_fifo_total{device=eth0} 5\n"
          "node_network_receive_frame_total{device=eth0} 6\n"
          "node_network_receive_compressed_total{device=eth0} 7\n"
          "node_network_receive_multicast_total{device=eth0} 8\n"
          "node_network_transmit_bytes_total{device=eth0} 9\n"
          "node_network_transmit_packets_total{device=eth0} 10\n"
          "node_network_transmit_errs_total{device=eth0} 11\n"
          "node_network_transmit_drop_total{device=eth0} 12\n"
          "node_network_transmit_fifo_total{device=eth0} 13\n"
          "node_network_transmit_colls_total{device=eth0} 14\n"
          "node_network_transmit_carrier_total{device=eth0} 15\n"
          "node_network_transmit_compressed_total{device=eth0} 16\n");
}

static void netstat_pairs_names_with_the_values_below(void **state)
{
    (void)state;
    check(HOST_NETSTAT,
          "TcpExt: SyncookiesSent TW ListenDrops\nTcpExt: 1 2 3\n"
          "Tcp: MaxConn CurrEstab\nTcp: -1 5\n",
          "node_netstat_TcpExt_SyncookiesSent 1\nnode_netstat_TcpExt_ListenDrops 3\n"
          "node_netstat_Tcp_CurrEstab 5\n");
    check(HOST_SNMP6, "Ip6InOctets \t460\nIcmp6InType135 1\nUdpLite6InErrors 7\nNoSix 1\n",
          "node_netstat_Ip6_InOctets 460\nnode_netstat_UdpLite6_InErrors 7\n");
}

static void socket_memory_is_told_in_pages_and_bytes(void **state)
{
    (void)state;
    char expected[256];
    const long page = sysconf(_SC_PAGESIZE);

    (void)snprintf(expected, sizeof expected,
                   "node_sockstat_sockets_used 9\nnode_sockstat_TCP_inuse 4\n"
                   "node_sockstat_TCP_mem 3\nnode_sockstat_TCP_mem_bytes %ld\n",
                   3 * page);
    check(HOST_SOCKSTAT, "sockets: used 9\nTCP: inuse 4 future 7 mem 3\n", expected);
    check(HOST_SOCKSTAT6, "sockets: used 9\nTCP6: inuse 1\n", "node_sockstat_TCP6_inuse 1\n");
}

static void load_and_open_files_are_gauges(void **state)
{
    (void)state;
    check(HOST_LOADAVG, "0.21 1.37 12.39 2/711 32118\n",
          "node_load1 0.21\nnode_load5 1.37\nnode_load15 12.39\nnode_processes_threads 711\n");
    check(HOST_LOADAVG, "0.21 1.37 12.39\n",
          "node_load1 0.21\nnode_load5 1.37\nnode_load15 12.39\n");
    check(HOST_LOADAVG, "0.21 1.37 12.39 2/ 32118\n",
          "node_load1 0.21\nnode_load5 1.37\nnode_load15 12.39\n");
    check(HOST_FILE_NR, "704\t0\t2466170\n",
          "node_filefd_allocated 704\nnode_filefd_maximum 2466170\n");
}

static void types_are_node_exporters(void **state)
{
    (void)state;
    static const struct {
        enum host_format_id format;
        const char *text;
        enum metric_type type;
    } cases[] = {
        {HOST_CPU, "cpu0 1 2 3 4\n", METRIC_COUNTER},
        {HOST_STAT, "btime 1\n", METRIC_GAUGE},
        {HOST_STAT, "ctxt 1\n", METRIC_COUNTER},
        {HOST_MEMINFO, "MemFree: 1 kB\n", METRIC_GAUGE},
        {HOST_VMSTAT, "pgfault 1\n", METRIC_UNTYPED},
        {HOST_SNMP, "Tcp: CurrEstab\nTcp: 1\n", METRIC_UNTYPED},
        {HOST_SNMP6, "Ip6InOctets 1\n", METRIC_UNTYPED},
        {HOST_SOCKSTAT, "TCP: inuse 1\n", METRIC_GAUGE},
        {HOST_PSI_CPU, "some total=1\n", METRIC_COUNTER},
        {HOST_LOADAVG, "1 2 3\n", METRIC_GAUGE},
        {HOST_FILE_NR, "1 2 3\n", METRIC_GAUGE},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct parsed p = parsed_new(cases[i].format);
        assert_int_equal(parse_next(&p, str_of(cases[i].text)), OK);
        assert_int_equal(series_set_at(p.set, p.samples.p[0].id)->type, cases[i].type);
        parsed_done(&p);
    }
}

static void malformed_files_are_refused_with_line_and_reason(void **state)
{
    (void)state;
    refuse(HOST_CPU, "cpu  1\ncpu0 1 2 x 4\n",
           "stat: line 2: expected ticks of a CPU, found 'cpu0 1 2 x 4'");
    refuse(HOST_CPU, "cpux 1 2 3 4\n",
           "stat: line 1: expected a CPU's number after 'cpu', found 'cpux 1 2 3 4'");
    refuse(HOST_STAT, "ctxt\n", "stat: line 1: expected a number after the name, found 'ctxt'");
    refuse(HOST_LOADAVG, "0.1 -1 2\n",
           "loadavg: line 1: expected three load averages, found '0.1 -1 2'");
    refuse(HOST_MEMINFO, "MemFree 1 kB\n",
           "meminfo: line 1: expected 'NAME: NUMBER', found 'MemFree 1 kB'");
    refuse(HOST_MEMINFO, "MemFree: 1 kB kB\n",
           "meminfo: line 1: expected 'NAME: NUMBER kB', found 'MemFree: 1 kB kB'");
    refuse(HOST_VMSTAT, "pgfault 18446744073709551616\n",
           "vmstat: line 1: expected 'NAME NUMBER', found 'pgfault 18446744073709551616'");
    refuse(HOST_PSI_IO, "some avg10=0.00 total=\n",
           "pressure/io: line 1: expected total=MICROSECONDS, found 'some avg10=0.00 total='");
    refuse(HOST_PSI_MEMORY, "most total=1\n",
           "pressure/memory: expected a line 'some ...', found none");
    refuse(HOST_DISKSTATS, "8 0 sda 1 2 3\n",
           "diskstats: line 1: expected at least 11 numbers, found '8 0 sda 1 2 3'");
    refuse(HOST_DISKSTATS, "8 sda 1 2 3\n",
           "diskstats: line 1: expected 'MAJOR MINOR DEVICE NUMBERS', found '8 sda 1 2 3'");
    refuse(HOST_NETDEV, "one\ntwo\n",
           "net/dev: expected the two lines of headings of Linux 2.2 and later");
    refuse(HOST_NETDEV, NET_HEADER "eth0 1 2\n",
           "net/dev: line 3: expected 'DEVICE: NUMBERS', found 'eth0 1 2'");
    refuse(HOST_NETDEV, NET_HEADER "eth0: 1 2\n",
           "net/dev: line 3: expected 16 numbers, found 'eth0: 1 2'");
    refuse(HOST_NETSTAT, "Tcp: InSegs OutSegs\nTcp: 1\n", "net/netstat: Tcp: no number for a name");
    refuse(HOST_NETSTAT, "Tcp: InSegs\nTcp: 1 2\n", "net/netstat: Tcp: more values than names");
    refuse(HOST_NETSTAT, "Tcp: InSegs\nUdp: 1\n",
           "net/netstat: line 2: expected the values of the line before, found 'Udp: 1'");
    refuse(HOST_SOCKSTAT, "TCP: inuse\n",
           "net/sockstat: line 1: expected pairs of a name and a "
           "number, found 'TCP: inuse'");
    refuse(HOST_FILE_NR, "1 2\n", "sys/fs/file-nr: line 1: expected three numbers, found '1 2'");
}

static void a_file_that_is_cut_off_or_empty_is_refused(void **state)
{
    (void)state;
    refuse(HOST_VMSTAT, "pgfault 1846854\npgmajfault 13",
           "vmstat: expected a newline at the end, found byte 29 to be the last");
    refuse(HOST_STAT, "", "stat: expected lines, found an empty file");
}

static void hostile_bytes_do_not_reach_the_message(void **state)
{
    (void)state;
    struct parsed p = parsed_new(HOST_MEMINFO);

    assert_int_equal(parse_next(&p, STR("\x1b[31m\xff\0x\n")), E_PARSE);
    for (const char *c = p.err.msg; *c; c++)
        assert_true(*c >= ' ' && *c <= '~');
    parsed_done(&p);
}

static void a_name_too_long_for_a_metric_is_refused(void **state)
{
    (void)state;
    char text[4096];
    struct parsed p = parsed_new(HOST_MEMINFO);

    memset(text, 'a', sizeof text);
    memcpy(text + sizeof text - 6, ": 1 k\n", 6);
    assert_int_equal(parse_next(&p, (struct str){text, sizeof text}), E_PARSE);
    assert_int_equal(p.samples.n, 0);
    parsed_done(&p);
}

static void label_values_are_made_utf8_and_cut(void **state)
{
    (void)state;
    char buf[16];
    const struct str cut = host_label_value(STR("0123456789abcd\xc3\xa9\xc3\xa9"), buf, sizeof buf);

    assert_true(str_eq(cut, STR("0123456789abcd\xc3\xa9")));
    assert_true(str_eq(host_label_value(STR("a\xff\xfe\xc3\xa9\xe2\x82z"), buf, sizeof buf),
                       STR("a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbdz")));
}

/* --- the hand-written filters beside the expressions that they stand for --- */

static void random_text(struct rng *rng, const char *const *parts, uint32_t n, char out[128])
{
    out[0] = '\0';
    for (uint64_t i = 0, k = 1 + rng_below(rng, 5); i < k; i++) {
        const size_t length = strlen(out);
        (void)snprintf(out + length, 128 - length, "%s", parts[rng_below(rng, n)]);
    }
}

static void disk_filter_is_node_exporters_expression(void **state)
{
    (void)state;
    static const char *const parts[] = {"ram", "loop", "fd", "sd",  "hd",   "vd", "xvd", "a",
                                        "zz",  "nvme", "n",  "p",   "0",    "12", "m",   "md",
                                        "d",   "x",    "_",  "dm-", "sda1", "p1", "z",   ""};
    struct rng rng;
    regex_t re;
    unsigned excluded = 0;

    rng_init(&rng, 1);
    assert_int_equal(regcomp(&re, "^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme[0-9]+n[0-9]+p)[0-9]+$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    for (int i = 0; i < 200000; i++) {
        char name[128];
        random_text(&rng, parts, COUNT(parts), name);
        const bool expected = regexec(&re, name, 0, NULL, 0) == 0;
        if (host_disk_is_excluded(str_of(name)) != expected)
            fail_msg("'%s' is %sexcluded", name, expected ? "" : "not ");
        excluded += expected;
    }
    assert_true(excluded > 1000);
    regfree(&re);
}

static void vmstat_filter_is_node_exporters_expression(void **state)
{
    (void)state;
    static const char *const parts[] = {"oom_kill", "pgpg", "pswp", "pg", "fault", "maj",
                                        "in",       "nr_",  "x",    "p",  "g",     "pgp"};
    struct rng rng;
    regex_t re;

    rng_init(&rng, 2);
    assert_int_equal(regcomp(&re, "^(oom_kill|pgpg|pswp|pg.*fault).*", REG_EXTENDED | REG_NOSUB),
                     0);
    for (int i = 0; i < 100000; i++) {
        char name[128];
        random_text(&rng, parts, COUNT(parts), name);
        if (host_vmstat_is_wanted(str_of(name)) != (regexec(&re, name, 0, NULL, 0) == 0))
            fail_msg("'%s' is told apart wrongly", name);
    }
    regfree(&re);
}

static void netstat_filter_is_node_exporters_expression(void **state)
{
    (void)state;
    static const char *const protocols[] = {"Ip",  "Ip6",  "IpExt",  "Icmp",     "Icmp6", "Tcp",
                                            "Udp", "Udp6", "TcpExt", "UdpLite6", "MPTcp", "X"};
    static const char *const parts[] = {
        "In",      "Out",        "Errors",        "Errs",        "Octets",      "Msgs",
        "Listen",  "Syncookies", "TCPSynRetrans", "TCPTimeouts", "ActiveOpens", "InSegs",
        "OutSegs", "OutRsts",    "PassiveOpens",  "RetransSegs", "CurrEstab",   "Datagrams",
        "NoPorts", "Rcvbuf",     "Sndbuf",        "Forwarding",  "Drops",       ""};
    struct rng rng;
    regex_t re;
    unsigned wanted = 0;

    rng_init(&rng, 3);
    assert_int_equal(
        regcomp(&re,
                "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_"
                "(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts)|Tcp_"
                "(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_"
                "(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
                REG_EXTENDED | REG_NOSUB),
        0);
    for (int i = 0; i < 300000; i++) {
        const char *protocol = protocols[rng_below(&rng, COUNT(protocols))];
        char field[128], key[160];
        random_text(&rng, parts, COUNT(parts), field);
        (void)snprintf(key, sizeof key, "%s_%s", protocol, field);
        const bool expected = regexec(&re, key, 0, NULL, 0) == 0;
        if (host_netstat_is_wanted(str_of(protocol), str_of(field)) != expected)
            fail_msg("'%s' is %swanted", key, expected ? "" : "not ");
        wanted += expected;
    }
    assert_true(wanted > 1000);
    regfree(&re);
}

/* --- what is remembered of a file never shows in the samples --- */

/* Lines of text, each kept, left out, doubled or swapped with the next at random. */
static size_t shuffle_lines(struct rng *rng, struct str text, char *out)
{
    size_t n = 0;

    for (const char *p = text.p, *end = text.p + text.n; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const size_t line = (size_t)(nl + 1 - p);
        for (uint64_t copies = rng_below(rng, 8) == 0 ? rng_below(rng, 3) : 1; copies > 0;
             copies--) {
            memcpy(out + n, p, line);
            n += line;
        }
        p = nl + 1;
    }
    return n;
}

static void a_file_reads_the_same_whatever_was_read_before(void **state)
{
    (void)state;
    static const struct {
        enum host_format_id format;
        const char *text;
    } cases[] = {
        {HOST_MEMINFO, "A: 1 kB\nB: 2\nC(x): 3 kB\nD: 4\nE: 5\nF: 6 kB\nG: 7\n"},
        {HOST_VMSTAT, "pgpgin 1\nx 2\npgpgout 3\ny 4\npgfault 5\npswpin 6\noom_kill 7\n"},
        {HOST_STAT, "intr 1\nctxt 2\nx 3\nbtime 4\nprocesses 5\nprocs_running 6\n"},
        {HOST_DISKSTATS, "8 0 sda 1 2 3 4 5 6 7 8 9 1 2\n8 1 sda1 1 2\n"
                         "8 2 sdb 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6\n7 0 loop0 1\n"
                         "9 9 dm-0 1 2 3 4 5 6 7 8 9 1 2\n"},
        {HOST_SNMP6, "Ip6InOctets 1\nx 2\nUdp6NoPorts 3\nUdp6InErrors 4\nIcmp6InMsgs 5\n"},
        {HOST_SOCKSTAT, "sockets: used 1\nTCP: inuse 1 mem 2\nUDP: inuse 3\nTCP: orphan 4\n"},
    };
    struct rng rng;

    rng_init(&rng, 4);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct parsed warm = parsed_new(cases[i].format);
        for (int round = 0; round < 500; round++) {
            char text[1024];
            const struct str now = {text, shuffle_lines(&rng, str_of(cases[i].text), text)};
            struct parsed fresh = parsed_new(cases[i].format);
            const enum rc expected = parse_next(&fresh, now);
            assert_int_equal(parse_next(&warm, now), expected);
            char *a = samples_text(warm.set, &warm.samples);
            char *b = samples_text(fresh.set, &fresh.samples);
            assert_string_equal(a, b);
            mem_free(a);
            mem_free(b);
            parsed_done(&fresh);
        }
        parsed_done(&warm);
    }
}

static void an_unchanged_file_is_read_without_allocating(void **state)
{
    (void)state;
    struct parsed p = parsed_new(HOST_MEMINFO);

    assert_int_equal(parse_next(&p, STR("A: 1 kB\nB: 2\n")), OK);
    const uint32_t generation = p.rows.generation;
    mem_fail_at(1);
    assert_int_equal(parse_next(&p, STR("A: 9 kB\nB: 8\n")), OK);
    mem_fail_at(0);
    assert_int_equal(p.rows.generation, generation);
    assert_int_equal(p.samples.n, 2);
    assert_true(p.samples.p[1].v == 8);
    parsed_done(&p);
}

static void a_failed_allocation_leaves_no_trace(void **state)
{
    (void)state;
    static const char text[] = "8 0 sda 1 2 3 4 5 6 7 8 9 1 2\n8 1 sda1 1 2\n"
                               "8 2 sdb 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6\n";
    bool failed = true;

    for (uint64_t n = 1; failed; n++) {
        struct parsed p = parsed_new(HOST_DISKSTATS);
        mem_fail_at(n);
        failed = parse_next(&p, str_of(text)) != OK;
        mem_fail_at(0);
        if (failed) {
            assert_int_equal(p.err.rc, E_NOMEM);
            assert_int_equal(p.samples.n, 0);
            assert_int_equal(parse_next(&p, str_of(text)), OK);
        }
        assert_int_equal(p.samples.n, 11 + 15);
        parsed_done(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_ticks_become_seconds_by_cpu_and_mode),
        cmocka_unit_test(idle_that_steps_back_a_little_stands_still),
        cmocka_unit_test(idle_that_falls_by_seconds_is_a_cpu_that_came_back),
        cmocka_unit_test(stat_gives_the_sum_of_interrupts_and_the_processes),
        cmocka_unit_test(meminfo_with_a_unit_is_bytes_and_parentheses_become_underscores),
        cmocka_unit_test(vmstat_gives_paging_and_kills_alone),
        cmocka_unit_test(pressure_microseconds_become_seconds),
        cmocka_unit_test(disk_sectors_become_bytes_and_milliseconds_seconds),
        cmocka_unit_test(a_machine_without_disks_is_fine),
        cmocka_unit_test(loopback_is_left_out_of_netdev),
        cmocka_unit_test(netstat_pairs_names_with_the_values_below),
        cmocka_unit_test(socket_memory_is_told_in_pages_and_bytes),
        cmocka_unit_test(load_and_open_files_are_gauges),
        cmocka_unit_test(types_are_node_exporters),
        cmocka_unit_test(malformed_files_are_refused_with_line_and_reason),
        cmocka_unit_test(a_file_that_is_cut_off_or_empty_is_refused),
        cmocka_unit_test(hostile_bytes_do_not_reach_the_message),
        cmocka_unit_test(a_name_too_long_for_a_metric_is_refused),
        cmocka_unit_test(label_values_are_made_utf8_and_cut),
        cmocka_unit_test(disk_filter_is_node_exporters_expression),
        cmocka_unit_test(vmstat_filter_is_node_exporters_expression),
        cmocka_unit_test(netstat_filter_is_node_exporters_expression),
        cmocka_unit_test(a_file_reads_the_same_whatever_was_read_before),
        cmocka_unit_test(an_unchanged_file_is_read_without_allocating),
        cmocka_unit_test(a_failed_allocation_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
