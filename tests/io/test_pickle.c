/* Pickles as data: what is taken, what is refused, and that nothing grows out of proportion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/files.h"
#include "io/pickle.h"

#include <math.h>

static const char *const allowed[] = {"collections OrderedDict", "torch Size", NULL};

static pnb_status parse(pnb_error *err, const char *bytes, size_t n, pnb_pickle *p) {
    return pnb_pickle_parse(err, "test", (const unsigned char *)bytes, n, allowed, p);
}

#define PARSE(p, text)                                                                                                 \
    do {                                                                                                               \
        pnb_error err_ = {0};                                                                                          \
        if (parse(&err_, text, sizeof text - 1, p) != PNB_OK) fail_msg("%s", err_.message);                            \
    } while (0)

#define REFUSE(text, part)                                                                                             \
    do {                                                                                                               \
        pnb_error err_ = {0};                                                                                          \
        pnb_pickle p_;                                                                                                 \
        pnb_status status_ = parse(&err_, text, sizeof text - 1, &p_);                                                 \
        assert_sentence(&err_, PNB_ERROR_MODEL, status_, part);                                                        \
        assert_null(p_.values);                                                                                        \
    } while (0)

/* {"a": 7, "b": [True, None, -2, 0.5], "c": (300, -1 as a long)} */
static void test_values(void **state) {
    (void)state;
    pnb_pickle p;
    PARSE(&p, "\x80\x02}q\x00(X\x01\x00\x00\x00"
              "aK\x07U\x01"
              "b](\x88NJ\xfe\xff\xff\xffG\x3f\xe0\x00\x00\x00\x00\x00\x00"
              "eX\x01\x00\x00\x00"
              "cM\x2c\x01\x8a\x01\xff\x86u.");
    const pnb_pickle_value *root = pnb_pickle_at(&p, p.root), *list = pnb_pickle_item(&p, root, 3),
                           *tuple = pnb_pickle_item(&p, root, 5);
    assert_int_equal(root->kind, PNB_PICKLE_DICT);
    assert_int_equal(root->count, 6);
    assert_true(pnb_pickle_is_text(&p, pnb_pickle_item(&p, root, 0), "a"));
    assert_false(pnb_pickle_is_text(&p, pnb_pickle_item(&p, root, 0), "ab"));
    assert_int_equal(pnb_pickle_item(&p, root, 1)->as.whole, 7);
    assert_int_equal(list->kind, PNB_PICKLE_LIST);
    assert_int_equal(list->count, 4);
    assert_int_equal(pnb_pickle_item(&p, list, 0)->as.whole, 1);
    assert_int_equal(pnb_pickle_item(&p, list, 1)->kind, PNB_PICKLE_NONE);
    assert_int_equal(pnb_pickle_item(&p, list, 2)->as.whole, -2);
    assert_true(pnb_pickle_item(&p, list, 3)->as.real == 0.5);
    assert_null(pnb_pickle_item(&p, list, 4));
    assert_int_equal(tuple->kind, PNB_PICKLE_TUPLE);
    assert_int_equal(pnb_pickle_item(&p, tuple, 0)->as.whole, 300);
    assert_int_equal(pnb_pickle_item(&p, tuple, 1)->as.whole, -1);
    pnb_pickle_finish(&p);
}

/* OrderedDict() given an item and a state, in a call that is noted; and an object outside. */
static void test_calls(void **state) {
    (void)state;
    pnb_pickle p;
    PARSE(&p, "\x80\x04\x8c\x0b"
              "collections\x8c\x0bOrderedDict\x93)R\x94(\x8c\x01kK\x01u}b\x8c\x02idQ\x86.");
    const pnb_pickle_value *root = pnb_pickle_at(&p, p.root), *call = pnb_pickle_item(&p, root, 0),
                           *outside = pnb_pickle_item(&p, root, 1);
    assert_int_equal(call->kind, PNB_PICKLE_CALL);
    assert_int_equal(call->global, 0);
    assert_int_equal(call->count, 2);
    assert_int_equal(pnb_pickle_at(&p, call->arguments)->count, 0);
    assert_int_equal(outside->kind, PNB_PICKLE_PERSISTENT);
    assert_true(pnb_pickle_is_text(&p, pnb_pickle_at(&p, outside->as.at.first), "id"));
    pnb_pickle_finish(&p);
}

static void test_refused(void **state) {
    (void)state;
    REFUSE("", "byte 0x80");
    REFUSE("cos\nsystem\n(S'x'\ntR.", "byte 0x80");
    REFUSE("\x80\x02", "cut short");
    REFUSE("\x80\x07N.", "protocol 7");
    REFUSE("\x80\x02"
           "cos\nsystem\n.",
           "os.system");
    REFUSE("\x80\x02"
           "ctorch\nsize\n.",
           "torch.size");
    REFUSE("\x80\x02"
           "ctorch\x1b\nSize\n.",
           "torch?.Size");
    REFUSE("\x80\x04\x8c\x05posix\x8c\x06system\x93.", "posix.system");
    REFUSE("\x80\x04K\x01\x8c\x06system\x93.", "no text");
    REFUSE("\x80\x02i", "opcode 0x69");
    REFUSE("\x80\x02N2.", "opcode 0x32");
    REFUSE("\x80\x02]\x81.", "opcode 0x81");
    REFUSE("\x80\x02NNR.", "call");
    REFUSE("\x80\x02N}b.", "state");
    REFUSE("\x80\x02NK\x01"
           "a.",
           "no list");
    REFUSE("\x80\x02}(Nu.", "no value");
    REFUSE("\x80\x02t.", "mark");
    REFUSE("\x80\x02(.", "missing");
    REFUSE("\x80\x02NN.", "left over");
    REFUSE("\x80\x02h\x05.", "never made");
    REFUSE("\x80\x02Nr\xff\xff\xff\x7f.", "so many");
    REFUSE("\x80\x02X\xff\xff\xff\x7f.", "claims 2147483647");
    REFUSE("\x80\x02\x8d\x00\x00\x00\x00\x00\x00\x00\x10.", "claims");
}

/* Deep nesting, floods of empty containers and of names end with a sentence, and a list may contain itself. */
static void test_bounds(void **state) {
    (void)state;
    enum { N = 1 << 20 };
    char *bytes = malloc(N);
    assert_non_null(bytes);
    static const char *const floods[] = {"]", "(", "N", "})", "]q\x01", "K\x01"};
    for (size_t k = 0; k < sizeof floods / sizeof *floods; k++) {
        pnb_error err = {0};
        pnb_pickle p;
        size_t length = strlen(floods[k]);
        memcpy(bytes, "\x80\x02", 2);
        for (size_t i = 2; i < N; i++) bytes[i] = floods[k][(i - 2) % length];
        pnb_status status = parse(&err, bytes, N, &p);
        assert_sentence(&err, PNB_ERROR_MODEL, status, "state dict");
    }
    free(bytes);
    pnb_pickle p;
    PARSE(&p, "\x80\x02]q\x00h\x00"
              "a.");
    const pnb_pickle_value *root = pnb_pickle_at(&p, p.root);
    assert_ptr_equal(pnb_pickle_item(&p, root, 0), root);
    pnb_pickle_finish(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
