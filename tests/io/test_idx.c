/* IDX: plain and gzipped, every fault, damage at random. The gzip file here is one stored block, made by the test
 * itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/crc32.h"
#include "io/files.h"
#include "io/idx.h"

static const unsigned char sample[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 10, 20, 30, 40, 50, 255};

/* gzip of `sample` with a file name in its header. */
static size_t make_gzip(unsigned char *out) {
    static const unsigned char head[] = {0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3, 'a', 0};
    size_t n = sizeof sample, at = sizeof head;
    memcpy(out, head, at);
    out[at++] = 1; /* last block, stored */
    out[at++] = (unsigned char)n;
    out[at++] = 0;
    out[at++] = (unsigned char)~n;
    out[at++] = 0xff;
    memcpy(out + at, sample, n);
    at += n;
    uint32_t tail[2] = {pnb_crc32(sample, n), (uint32_t)n};
    for (int i = 0; i < 8; i++) out[at++] = (unsigned char)(tail[i / 4] >> (8 * (i % 4)));
    return at;
}

static void check(const unsigned char *bytes, size_t n) {
    const char *path = in_folder("a.idx");
    put_bytes(path, bytes, n);
    pnb_error err = {0};
    pnb_idx idx;
    if (pnb_idx_read(&err, path, &idx) != PNB_OK) fail_msg("%s", err.message);
    assert_true(idx.rank == 3 && idx.shape[0] == 2 && idx.shape[1] == 1 && idx.shape[2] == 3 && idx.count == 6);
    assert_memory_equal(idx.data, sample + 16, 6);
    pnb_idx_free(&idx);
    assert_null(idx.data);
    remove(path);
}

static void test_read(void **state) {
    (void)state;
    unsigned char gzip[256];
    check(sample, sizeof sample);
    check(gzip, make_gzip(gzip));
}

static void refuse(const unsigned char *bytes, size_t n, const char *sentence) {
    const char *path = in_folder("bad.idx");
    put_bytes(path, bytes, n);
    pnb_error err = {0};
    pnb_idx idx;
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_idx_read(&err, path, &idx), sentence);
    assert_null(idx.data);
    remove(path);
}

static void test_refusals(void **state) {
    (void)state;
    unsigned char b[256];
    refuse(sample, sizeof sample - 1, "shape [2, 1, 3] does not fit its 5 bytes");
    refuse(sample, 10, "cut short");
    refuse(sample, 3, "not an IDX file");
    memcpy(b, sample, sizeof sample);
    b[2] = 0x0d;
    refuse(b, sizeof sample, "type 0x0d");
    b[2] = 8;
    b[3] = 200;
    refuse(b, sizeof sample, "rank 200");
    b[3] = 3;
    memset(b + 4, 255, 12);
    refuse(b, sizeof sample, "does not fit");
    size_t n = make_gzip(b);
    b[30] ^= 1;
    refuse(b, n, "gzip damaged");
    make_gzip(b);
    b[n - 1] = 3; /* claims 50 MB */
    refuse(b, n, "cannot unpack");
    refuse(b, 12, "gzip header");
    pnb_error err = {0};
    pnb_idx idx;
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_idx_read(&err, in_folder("none.idx"), &idx), "none.idx");
}

static void load(const char *path) {
    pnb_error err = {0};
    pnb_idx idx;
    pnb_idx_read(&err, path, &idx);
    pnb_idx_free(&idx);
}

static void test_damage(void **state) {
    (void)state;
    unsigned char gzip[256];
    size_t n = make_gzip(gzip);
    try_damage(sample, sizeof sample, sizeof sample, 100, in_folder("damaged.idx"), load);
    try_damage(gzip, n, n, 300, in_folder("damaged.idx"), load);
}

static void test_installed_set(void **state) {
    (void)state;
    const char *path =
        "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz"; /* Debian: dataset-fashion-mnist */
    if (access(path, R_OK) != 0) skip();
    pnb_error err = {0};
    pnb_idx idx;
    if (pnb_idx_read(&err, path, &idx) != PNB_OK) fail_msg("%s", err.message);
    assert_true(idx.rank == 3 && idx.shape[0] == 10000 && idx.shape[1] == 28 && idx.shape[2] == 28);
    pnb_idx_free(&idx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_installed_set),
    };
    return cmocka_run_group_tests(tests, folder_setup, remove_empty_folder);
}
