/* Tables, the report's file, and its forms: what is quoted, what is missing. */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/report.h"
#include "report/svg.h"
#include "report/table.h"

/* What a function writes, as a string that free() releases. */
static char *capture(bool (*print)(const json_t *, FILE *), const json_t *value)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    assert_true(print(value, stream));
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void check_table(void **state)
{
    (void)state;
    static const char *const heads[] = { "layer", "n", "unit" };
    rs_table *t = rs_table_new(heads, 3, "lrl");
    char text[RS_COUNT_TEXT];
    rs_table_cell(t, "conv1");
    rs_table_cell(t, "%s", rs_count_text(1234567, text));
    rs_table_cell(t, "\xc2\xb5m");
    rs_table_rule(t);
    rs_table_cell(t, "total");
    rs_table_cell(t, "%d", 5);
    rs_table_cell(t, "%s", "");
    char *out = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&out, &size);
    rs_table_print(t, stream);
    assert_int_equal(fclose(stream), 0);
    assert_string_equal(out, "  layer          n  unit\n"
                             "  ----------------------\n"
                             "  conv1  1,234,567  \xc2\xb5m\n"
                             "  ----------------------\n"
                             "  total          5\n");
    free(out);
    stream = open_memstream(&out, &size);
    rs_table_html(t, stream);
    assert_int_equal(fclose(stream), 0);
    assert_string_equal(out, "<div class=\"wide\"><table><thead><tr><th class=\"l\">layer</th><th>n</th>"
                             "<th class=\"l\">unit</th></tr></thead><tbody>\n"
                             "<tr><td class=\"l\">conv1</td><td>1,234,567</td><td class=\"l\">\xc2\xb5m</td></tr>\n"
                             "<tr class=\"sum\"><td class=\"l\">total</td><td>5</td><td class=\"l\"></td></tr>\n"
                             "</tbody></table></div>\n");
    free(out);
    rs_table_free(t);
    assert_string_equal(rs_count_text(0, text), "0");
    assert_string_equal(rs_count_text(-1000, text), "-1,000");
    assert_string_equal(rs_count_text(-100, text), "-100");
    assert_string_equal(rs_count_text(INT64_MIN, text), "-9,223,372,036,854,775,808");
    rs_table_print(NULL, stderr); /* no memory for a table is not the end */
}

static void check_short_numbers(void **state)
{
    (void)state;
    char text[RS_SHORT_TEXT];
    assert_string_equal(rs_short_text(0, text), "0");
    assert_string_equal(rs_short_text(7, text), "7");
    assert_string_equal(rs_short_text(0.25, text), "0.25");
    assert_string_equal(rs_short_text(12.34, text), "12.3");
    assert_string_equal(rs_short_text(1234, text), "1.23 k");
    assert_string_equal(rs_short_text(16500, text), "16.5 k");
    assert_string_equal(rs_short_text(2.5e6, text), "2.50 M");
}

static int count_of(const char *text, const char *word)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, word)) != NULL; p += strlen(word))
        n++;
    return n;
}

/* No plot or table leaves out layers, however many there are. */
static void check_many_layers(void **state)
{
    (void)state;
    enum { LAYERS = 700 };
    json_t *simulated = json_array(), *estimated = json_array();
    for (int i = 0; i < LAYERS; i++) {
        char name[80];
        snprintf(name, sizeof name, "a_layer_with_a_name_of_more_than_sixty_three_letters_which_is_long_%d_", i);
        json_array_append_new(simulated,
                              json_pack("{s:s, s:i, s:i, s:i, s:i, s:i}", "name", name, "macs", 1000 + i, "mac_slots",
                                        2000, "cycles", 90 + i, "compute_cycles", 80, "ifmap_beats", 10 + i % 7));
        json_array_append_new(estimated,
                              json_pack("{s:s, s:f, s:f, s:[{s:s, s:f, s:f}]}", "name", name, "pj", 1.0, "float_pj",
                                        2.0, "parts", "name", "multiply", "pj", 1.0, "float_pj", 2.0));
    }
    json_t *report = json_pack("{s:s, s:i, s:s, s:s, s:{s:s, s:{s:i, s:i, s:i}, s:o}, s:{s:s, s:o, s:{s:[]}}}",
                               "format", "ristretto-report", "version", 1, "name", "x", "tool", "y", "simulate",
                               "network", "x", "array", "lanes", 4, "multipliers", 4, "bus_bits", 64, "layers",
                               simulated, "estimate", "network", "x", "layers", estimated, "total", "parts");
    assert_non_null(report);
    char *html = capture(rs_report_html, report), *text = capture(rs_report_print, report);
    for (int i = 0; i < LAYERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "_long_%d_", i);
        /* Cycles, utilisation, roofline, two tables; energy with and without memory. Bars have their names as text and
         * under the pointer. */
        assert_true(count_of(html, name) >= 8);
        assert_true(count_of(text, name) >= 3);
    }
    free(html);
    free(text);
    json_decref(report);
}

/* What is a command to a terminal or a spreadsheet must not reach it. */
static void check_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed, *csv;
    } cases[] = {
        { "conv1", "conv1", "conv1" },
        { "\033]0;x\007", "\\x1b]0;x\\x07", "\033]0;x\007" },
        { "\xc2\x9b"
          "31m \xc2\xb5 \xc3\x9b\x7f",
          "\\x9b31m \xc2\xb5 \xc3\x9b\\x7f",
          "\xc2\x9b"
          "31m \xc2\xb5 \xc3\x9b\x7f" },
        { "a\tb\nc", "a\tb\nc", "\"a\tb\nc\"" },
        { "=1+1", "=1+1", "\"'=1+1\"" },
        { "@x", "@x", "\"'@x\"" },
        { "-a\"b", "-a\"b", "\"'-a\"\"b\"" },
        { "+1,2", "+1,2", "\"'+1,2\"" },
        { "a=b", "a=b", "a=b" },
        { "", "", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *out = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&out, &size);
        rs_text_print(cases[i].text, 0, stream);
        assert_int_equal(fclose(stream), 0);
        assert_string_equal(out, cases[i].printed);
        free(out);
        stream = open_memstream(&out, &size);
        rs_text_csv(cases[i].text, stream);
        assert_int_equal(fclose(stream), 0);
        assert_string_equal(out, cases[i].csv);
        free(out);
    }
    json_t *section = json_pack("{s:s, s:{s:s}}", "network", "\033[31mred", "array", "name", "\007");
    char *shown = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&shown, &size);
    rs_report_print_section("simulate", section, stream);
    assert_int_equal(fclose(stream), 0);
    assert_null(strchr(shown, '\033'));
    assert_non_null(strstr(shown, "'\\x1b[31mred' on the array '\\x07'"));
    free(shown);
    json_decref(section);
}

/* Two commands at once: every section is in the end there. */
static void check_at_once(void **state)
{
    (void)state;
    const char *path = rs_test_path("both.json");
    rs_diag *diag = rs_diag_new();
    enum { PROCESSES = 8 };
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            json_t *section = json_pack("{s:s, s:i}", "network", "n", "cycles", i);
            _exit(rs_report_put(path, rs_report_sections[i], section, diag) == RS_OK ? 0 : 1);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    json_t *report = NULL;
    rs_assert_ok(rs_report_read(path, &report, diag), diag);
    for (int i = 0; i < PROCESSES; i++)
        assert_non_null(json_object_get(report, rs_report_sections[i]));
    json_decref(report);
    rs_diag_free(diag);
}

/* The network's name is a stranger's text: it must not become markup, nor break a CSV line. */
static void check_quoting(void **state)
{
    (void)state;
    json_t *report = json_pack("{s:s, s:i, s:s, s:s, s:{s:s, s:s, s:s, s:I, s:b}}", "format", "ristretto-report",
                               "version", 1, "name", "<script>alert('x')</script> & \"y\"", "tool", "t", "simulate",
                               "network", "a,\"b\"\n", "name", "</td><b>", "x", "plain", "cycles", (json_int_t)5, "yes",
                               1);
    assert_non_null(report);
    char *html = capture(rs_report_html, report);
    assert_null(strstr(html, "<script"));
    assert_non_null(strstr(html, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot;"));
    free(html);
    char *csv = capture(rs_report_csv, report);
    assert_string_equal(csv, "section,row,column,value\n"
                             "simulate,,network,\"a,\"\"b\"\"\n\"\n"
                             "simulate,,name,</td><b>\n"
                             "simulate,,x,plain\n"
                             "simulate,,cycles,5\n"
                             "simulate,,yes,true\n");
    free(csv);
    json_decref(report);
}

/* Sections without members, members of the wrong type: nothing is read that is not there. */
static void check_holes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"layers\": [], \"trials\": [], \"groups\": [], \"scores\": [], \"blocks\": [], \"total\": {}}",
        ("{\"layers\": [{}, 3, null], \"trials\": [{\"bits\": 7}], \"groups\": [{\"name\": 4}, {}, {}, {}, {}], "
         "\"scores\": [[]], \"blocks\": [1], "
         "\"total\": {\"parts\": [{}, {\"pj\": -1}, {\"pj\": \"x\"}]}, \"array\": 5, \"technology\": [], \"cycles\": "
         "-5, \"images\": 1e300}"),
        "{\"layers\": 3, \"trials\": {}, \"groups\": \"x\", \"scores\": null, \"blocks\": true, \"total\": 0}",
    };
    size_t compared = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_error_t error;
        json_t *report = rs_report_new("x");
        for (size_t s = 0; rs_report_sections[s] != NULL; s++)
            assert_int_equal(json_object_set_new(report, rs_report_sections[s], json_loads(texts[i], 0, &error)), 0);
        char *html = capture(rs_report_html, report), *text = capture(rs_report_print, report),
             *csv = capture(rs_report_csv, report);
        assert_non_null(strstr(html, "</html>"));
        assert_null(strstr(html, "nan"));
        assert_true(strlen(text) > 0);
        compared++;
        free(html);
        free(text);
        free(csv);
        json_decref(report);
    }
    assert_int_equal(compared, 4);
}

static void check_file(void **state)
{
    (void)state;
    const char *path = rs_test_path("report.json");
    rs_diag *diag = rs_diag_new();
    json_t *section = json_pack("{s:s, s:i}", "network", "LeNet", "cycles", 7);
    rs_assert_ok(rs_report_put(path, "simulate", section, diag), diag);
    json_decref(section);
    section = json_pack("{s:s, s:i}", "network", "other", "cycles", 8);
    rs_assert_ok(rs_report_put(path, "simulate", section, diag), diag);
    rs_assert_ok(rs_report_put(path, "estimate", section, diag), diag);
    json_decref(section);
    json_t *report = NULL;
    rs_assert_ok(rs_report_read(path, &report, diag), diag);
    assert_string_equal(json_string_value(json_object_get(report, "name")), "LeNet");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(report, "simulate"), "cycles")), 8);
    assert_non_null(json_object_get(report, "estimate"));
    json_decref(report);

    static const struct {
        const char *text, *message;
    } bad[] = {
        { "{\"format\": \"ristretto-report\", \"version\": 1", "JSON: " },
        { "[]", "the file is not a report" },
        { "{}", "the file is not a report" },
        { "{\"format\": \"ristretto-report\", \"version\": 2}", "version 2 of the report is not known, expected 1" },
        { "{\"format\": \"ristretto-report\", \"version\": 1, \"test\": 3}", "the section 'test' must be an object" },
        { "{\"format\": \"ristretto-report\", \"format\": \"x\"}", "JSON: duplicate object key" },
        { "", "JSON: " },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        path = rs_test_path("bad.json");
        rs_test_write(path, bad[i].text, strlen(bad[i].text));
        rs_assert_error(rs_report_read(path, &report, diag), RS_BAD_INPUT, diag, bad[i].message);
        assert_null(report);
    }
    rs_diag_free(diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_table),       cmocka_unit_test(check_short_numbers), cmocka_unit_test(check_quoting),
        cmocka_unit_test(check_many_layers), cmocka_unit_test(check_text),          cmocka_unit_test(check_at_once),
        cmocka_unit_test(check_holes),       cmocka_unit_test(check_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
