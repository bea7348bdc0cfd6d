/* Messages: order, limits, places, and what is printed. */
#include "base/diag.h"

#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/faults.h"
#include "base/memory.h"
#include "support/test.h"

static void expect_text(rs_diag *diag, const char *expected)
{
    char *text = rs_test_messages(diag);
    assert_string_equal(text, expected);
    free(text);
}

static void printed_forms(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    const rs_loc full = { "net.prototxt", 12, 7 }, line = { "net.prototxt", 12, 0 };
    assert_int_equal(rs_error(diag, RS_BAD_INPUT, full, "did you mean 'name'?", "unknown field '%s'", "nmae"),
                     RS_BAD_INPUT);
    assert_int_equal(rs_error(diag, RS_USAGE, line, NULL, "two"), RS_USAGE);
    rs_error(diag, RS_BAD_INPUT, RS_FILE("data.idx"), NULL, "three");
    rs_error(diag, RS_INTERNAL, RS_NOWHERE, NULL, "four");
    rs_warn(diag, full, "a hint", "five %d", 5);
    assert_int_equal(rs_diag_errors(diag), 4);
    assert_int_equal(rs_diag_status(diag), RS_BAD_INPUT); /* the first one */
    expect_text(diag, "net.prototxt:12:7: error: unknown field 'nmae'\n"
                      "hint: did you mean 'name'?\n"
                      "net.prototxt:12: error: two\n"
                      "data.idx: error: three\n"
                      "error: four\n"
                      "net.prototxt:12:7: warning: five 5\n"
                      "hint: a hint\n");
    expect_text(diag, ""); /* printed once */
    rs_diag_free(diag);
}

static void messages_can_be_read(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    assert_null(rs_diag_message(diag, 0));
    char name[] = "file";
    rs_warn(diag, RS_FILE(name), NULL, "w");
    name[0] = 'p'; /* the diag has a copy */
    rs_error(diag, RS_RESOURCE, (rs_loc) { name, 3, 4 }, "h", "e");
    const rs_message *m = rs_diag_message(diag, 0);
    assert_int_equal(m->severity, RS_WARNING);
    assert_string_equal(m->loc.file, "file");
    assert_null(m->hint);
    m = rs_diag_message(diag, 1);
    assert_int_equal(m->severity, RS_ERROR);
    assert_int_equal(m->status, RS_RESOURCE);
    assert_string_equal(m->text, "e");
    assert_string_equal(m->hint, "h");
    assert_int_equal(m->loc.line, 3);
    assert_int_equal(m->loc.column, 4);
    assert_null(rs_diag_message(diag, 2));
    assert_int_equal(rs_diag_errors(diag), 1); /* a warning is none */
    assert_int_equal(rs_diag_status(diag), RS_RESOURCE);
    rs_diag_free(diag);
}

static void null_is_accepted(void **state)
{
    (void)state;
    assert_int_equal(rs_error(NULL, RS_USAGE, RS_NOWHERE, NULL, "x"), RS_USAGE);
    rs_warn(NULL, RS_NOWHERE, NULL, "x");
    assert_int_equal(rs_out_of_memory(NULL), RS_RESOURCE);
    assert_int_equal(rs_diag_errors(NULL), 0);
    assert_int_equal(rs_diag_status(NULL), RS_OK);
    assert_null(rs_diag_message(NULL, 0));
    rs_diag_print(NULL, stderr);
    rs_diag_free(NULL);
}

/* Whatever allocation fails, an error is never lost. */
static void errors_survive_want_of_memory(void **state)
{
    (void)state;
    uint64_t n = 0;
    size_t whole = 0;
    do {
        rs_fault_arm(RS_FAULT_ALLOC, ++n);
        rs_diag *diag = rs_diag_new();
        assert_non_null(diag);
        assert_int_equal(rs_error(diag, RS_BAD_INPUT, RS_FILE("f"), "hint", "text"), RS_BAD_INPUT);
        assert_int_equal(rs_diag_errors(diag), 1);
        assert_int_equal(rs_diag_status(diag), RS_BAD_INPUT);
        assert_non_null(rs_diag_message(diag, 0));
        assert_null(rs_diag_message(diag, 1));
        const uint64_t used = rs_fault_count(RS_FAULT_ALLOC);
        rs_fault_arm(RS_FAULT_ALLOC, 0);
        char *text = rs_test_messages(diag);
        const int complete = strcmp(text, "f: error: text\nhint: hint\n") == 0;
        if (!complete)
            assert_string_equal(text, "error: out of memory\n");
        whole += (size_t)complete;
        free(text);
        rs_diag_free(diag);
        if (n > used)
            break;
    } while (n < 100);
    assert_true(n > 4 && n < 100);
    assert_int_equal(whole, 1); /* only the last round, without a fault */

    /* Nor when there was no memory for the diag itself. */
    rs_fault_arm(RS_FAULT_ALLOC, 1);
    rs_diag *diag = rs_diag_new();
    rs_fault_arm(RS_FAULT_ALLOC, 0);
    rs_warn(diag, RS_NOWHERE, NULL, "lost");
    rs_out_of_memory(diag);
    rs_out_of_memory(diag);
    assert_int_equal(rs_diag_errors(diag), 2);
    char *text = rs_test_messages(diag);
    assert_non_null(strstr(text, "error: out of memory\n"));
    free(text);
    rs_diag_free(diag);
}

static void messages_are_bounded(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    for (int i = 0; i < 100000; i++)
        rs_error(diag, RS_BAD_INPUT, RS_FILE("f"), NULL, "error %d", i);
    rs_warn(diag, RS_FILE("f"), NULL, "w");
    assert_int_equal(rs_diag_errors(diag), 100000);
    char *text = rs_test_messages(diag);
    assert_non_null(strstr(text, "f: error: error 199\n... and 99800 more errors\n... and 1 more warnings\n"));
    free(text);

    char *large = rs_calloc(1000001, 1);
    memset(large, 'x', 1000000);
    rs_error(diag, RS_BAD_INPUT, RS_NOWHERE, NULL, "layer '%s'", large);
    rs_free(large);
    text = rs_test_messages(diag);
    assert_true(strlen(text) < 4100);
    assert_non_null(strstr(text, "xxx...\n"));
    free(text);
    rs_diag_free(diag);
}

/* What a file says cannot drive the terminal. */
static void control_characters_are_shown(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_error(diag, RS_BAD_INPUT, RS_FILE("a\033b"), "\x7f", "bell \a, red \033[31m, \xc3\xa9, tab\t.");
    expect_text(diag, "a\\x1bb: error: bell \\x07, red \\x1b[31m, \xc3\xa9, tab\t.\nhint: \\x7f\n");
    rs_diag_free(diag);
}

/* What is printed to a terminal under TERM=xterm and the NO_COLOR given (NULL: unset). */
static void print_to_terminal(const char *no_color, char *text, size_t size)
{
    int master, slave;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    setenv("TERM", "xterm", 1);
    if (no_color != NULL)
        setenv("NO_COLOR", no_color, 1);
    else
        unsetenv("NO_COLOR");
    FILE *f = fdopen(slave, "w");
    rs_diag *diag = rs_diag_new();
    rs_error(diag, RS_USAGE, RS_NOWHERE, "h", "e");
    rs_diag_print(diag, f);
    fclose(f);
    size_t n = 0; /* what was written can still be read; then comes an error */
    for (ssize_t got; n < size - 1 && (got = read(master, text + n, size - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = '\0';
    close(master);
    rs_diag_free(diag);
}

static void color_only_on_a_terminal(void **state)
{
    (void)state;
    char text[200];
    print_to_terminal(NULL, text, sizeof text);
    assert_string_equal(text, "\033[1;31merror:\033[0m e\r\n\033[1;32mhint:\033[0m h\r\n");
    print_to_terminal("", text, sizeof text); /* set but empty counts as unset: no-color.org */
    assert_non_null(strchr(text, '\033'));
    print_to_terminal("1", text, sizeof text);
    assert_string_equal(text, "error: e\r\nhint: h\r\n");
}

static void did_you_mean(void **state)
{
    (void)state;
    const char *const keys[] = { "lanes", "multipliers", "activation_bits", "weight_bits", "first_level", "m", "" };
    const size_t n = sizeof keys / sizeof *keys;
    const struct {
        const char *word, *expected;
    } cases[] = {
        { "lane", "lanes" },
        { "lnaes", "lanes" }, /* swapped neighbours */
        { "LANES", "lanes" }, /* case */
        { "multiplier", "multipliers" },
        { "mutlipliers", "multipliers" },
        { "activations_bit", "activation_bits" },
        { "weigth_bits", "weight_bits" },
        { "firstlevel", "first_level" },
        { "first-level", "first_level" },
        { "zzzzzz", NULL },
        { "x", NULL }, /* nothing of it would be left */
        { "", NULL },
        { "a_very_long_word_that_is_longer_than_any_word_that_anybody_would_ever_write", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = rs_nearest(cases[i].word, keys, n);
        if (cases[i].expected == NULL)
            assert_null(got);
        else
            assert_string_equal(got, cases[i].expected);
    }
    assert_null(rs_nearest("lanes", NULL, 0));
    const char *const two[] = { "conv2", "conv1" };
    assert_string_equal(rs_nearest("conv3", two, 2), "conv2"); /* the first of equals */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printed_forms),
        cmocka_unit_test(messages_can_be_read),
        cmocka_unit_test(null_is_accepted),
        cmocka_unit_test(errors_survive_want_of_memory),
        cmocka_unit_test(messages_are_bounded),
        cmocka_unit_test(control_characters_are_shown),
        cmocka_unit_test(color_only_on_a_terminal),
        cmocka_unit_test(did_you_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
