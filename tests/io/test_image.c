/* Pictures: PNG round trips, 16 bit, alpha and grey conversions, JPEG, cut and damaged files. Files are made by the
 * test itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/crc32.h"
#include "io/files.h"
#include "io/image.h"

#include <math.h>
#define STBI_WRITE_NO_STDIO
#include <stb_image_write.h>

typedef struct buffer {
    unsigned char bytes[8192];
    size_t size;
} buffer;

static void put(buffer *b, const void *bytes, size_t n) {
    assert_true(b->size + n <= sizeof b->bytes);
    memcpy(b->bytes + b->size, bytes, n);
    b->size += n;
}

static void put_be32(buffer *b, uint32_t v) {
    const unsigned char p[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8),
                                (unsigned char)v};
    put(b, p, 4);
}

static void put_chunk(buffer *b, const char *type, const void *data, size_t n) {
    put_be32(b, (uint32_t)n);
    size_t at = b->size;
    put(b, type, 4);
    put(b, data, n);
    put_be32(b, pnb_crc32(b->bytes + at, n + 4));
}

/* A PNG whose rows (each with its filter byte 0) are stored without compression. kind: PNG colour type. */
static void make_png(buffer *b, uint32_t w, uint32_t h, int depth, int kind, const void *rows, size_t n) {
    b->size = 0;
    put(b, "\x89PNG\r\n\x1a\n", 8);
    buffer header = {.size = 0}, data = {.size = 0};
    put_be32(&header, w);
    put_be32(&header, h);
    const unsigned char rest[5] = {(unsigned char)depth, (unsigned char)kind, 0, 0, 0};
    put(&header, rest, 5);
    put_chunk(b, "IHDR", header.bytes, header.size);
    const unsigned char zlib[7] = {
        0x78, 1, 1, (unsigned char)n, (unsigned char)(n >> 8), (unsigned char)~n, (unsigned char)(~n >> 8)};
    put(&data, zlib, 7);
    put(&data, rows, n);
    uint32_t a = 1, c = 0; /* Adler-32 */
    for (size_t i = 0; i < n; i++) {
        a = (a + ((const unsigned char *)rows)[i]) % 65521;
        c = (c + a) % 65521;
    }
    put_be32(&data, c << 16 | a);
    put_chunk(b, "IDAT", data.bytes, data.size);
    put_chunk(b, "IEND", "", 0);
}

static void decode(const buffer *b, uint32_t channels, pnb_array *out) {
    pnb_error err = {0};
    if (pnb_image_decode(&err, "x", b->bytes, b->size, channels, out) != PNB_OK) fail_msg("%s", err.message);
}

static void test_round_trip(void **state) {
    (void)state;
    enum { H = 5, W = 7 };
    const char *path = in_folder("a.png");
    for (uint32_t channels = 1; channels <= 3; channels += 2) {
        float image[3 * H * W];
        for (int i = 0; i < 3 * H * W; i++) image[i] = (float)((i * 37) % 256) / 255.0f;
        pnb_error err = {0};
        if (pnb_image_write_png(&err, path, channels, H, W, image) != PNB_OK) fail_msg("%s", err.message);
        pnb_array a;
        if (pnb_image_read(&err, path, 0, &a) != PNB_OK) fail_msg("%s", err.message);
        assert_true(a.rank == 3 && a.shape[0] == channels && a.shape[1] == H && a.shape[2] == W);
        for (uint64_t i = 0; i < a.count; i++) assert_true(a.data[i] == image[i]);
        pnb_array_free(&a);
    }
    remove(path);
}

static void test_write(void **state) {
    (void)state;
    const char *path = in_folder("a.png");
    pnb_error err = {0};
    const float v[2] = {-3, 7}, bad[4] = {0, 0, 0, NAN};
    assert_int_equal(pnb_image_write_png(&err, path, 1, 1, 2, v), PNB_OK);
    pnb_array a;
    assert_int_equal(pnb_image_read(&err, path, 3, &a), PNB_OK);
    assert_true(a.count == 6 && a.data[0] == 0 && a.data[1] == 1 && a.data[5] == 1);
    pnb_array_free(&a);
    remove(path);
    assert_sentence(&err, PNB_ERROR_NUMERIC, pnb_image_write_png(&err, path, 1, 2, 2, bad), "row 1, column 1");
    assert_int_not_equal(access(path, F_OK), 0);
    assert_sentence(&err, PNB_ERROR_USAGE, pnb_image_write_png(&err, path, 2, 1, 1, v), "2 channels");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_image_write_png(&err, in_folder("none/a.png"), 1, 1, 2, v),
                    "none/a.png");
}

static void test_depths(void **state) {
    (void)state;
    buffer b;
    pnb_array a;
    make_png(&b, 2, 1, 16, 0, "\0\x12\x34\xff\xff", 5); /* grey, 16 bit */
    decode(&b, 0, &a);
    assert_true(a.shape[0] == 1 && a.data[0] == (float)0x1234 / 65535.0f && a.data[1] == 1);
    pnb_array_free(&a);
    make_png(&b, 1, 2, 8, 6, "\0\x33\x66\xff\x01\0\0\0\0\xff", 10); /* RGBA: alpha is dropped */
    decode(&b, 0, &a);
    assert_true(a.shape[0] == 3 && a.shape[1] == 2 && a.shape[2] == 1);
    assert_true(a.data[0] == 0.2f && a.data[2] == 0.4f && a.data[4] == 1 && a.data[5] == 0);
    pnb_array_free(&a);
    decode(&b, 1, &a);
    assert_true(a.count == 2 && fabsf(a.data[0] - (0.299f * 0.2f + 0.587f * 0.4f + 0.114f)) < 1e-6f);
    pnb_array_free(&a);
    make_png(&b, 8, 1, 1, 0, "\0\xa5", 2); /* grey, 1 bit */
    decode(&b, 3, &a);
    for (int i = 0; i < 8; i++) assert_true(a.data[8 + i] == (float)(0xa5 >> (7 - i) & 1));
    pnb_error err = {0};
    assert_int_equal(pnb_image_set_channels(&err, &a, 1), PNB_OK);
    assert_true(a.shape[0] == 1 && a.count == 8 && fabsf(a.data[0] - 1) < 1e-6f);
    assert_int_equal(pnb_image_set_channels(&err, &a, 3), PNB_OK);
    assert_true(a.shape[0] == 3 && a.count == 24);
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_image_set_channels(&err, &a, 2), "1 or 3 channels");
    pnb_array_free(&a);
}

/* A baseline JPEG of 24 x 16 pixels: red 10 x, green 15 y, blue 90; made by stb_image_write at quality 75. */
static const char jpeg_hex[] =
    "ffd8ffe000104a46494600010100000100010000ffdb008400080606070605080707070909080a0c140d0c0b0b0c1912130f141d1a1f1e1d"
    "1a1c1c20242e2720222c231c1c2837292c30313434341f27393d38323c2e333432010909090c0b0c180d0d1832211c213232323232323232"
    "323232323232323232323232323232323232323232323232323232323232323232323232323232323232ffc0001108001000180301220002"
    "1101031101ffc401a20000010501010101010100000000000000000102030405060708090a0b100002010303020403050504040000017d01"
    "020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a"
    "434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8"
    "a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa01000301010101"
    "01010101010000000000000102030405060708090a0b11000201020404030407050404000102770001020311040521310612415107617113"
    "22328108144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a35363738393a434445464748494a53545556575859"
    "5a636465666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4"
    "c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9faffda000c03010002110311003f00f33b6d13a7cb5af6da"
    "274f96bafb6d13a7cb5b16da274f96b3af9a799c195e73b6a7216da274f96adff627fb35de5b689d3e5ab5fd89fecd7953cd35dcfbdc3673"
    "fbb5a9ffd9";

static void make_jpeg(buffer *b) {
    b->size = 0;
    for (const char *p = jpeg_hex; *p; p += 2) {
        const char digits[3] = {p[0], p[1], 0};
        b->bytes[b->size++] = (unsigned char)strtoul(digits, NULL, 16);
    }
}

static void test_jpeg(void **state) {
    (void)state;
    buffer b;
    make_jpeg(&b);
    pnb_array a;
    decode(&b, 0, &a);
    assert_true(a.shape[0] == 3 && a.shape[1] == 16 && a.shape[2] == 24);
    for (int i = 0; i < 24 * 16; i++) {
        assert_true(fabsf(a.data[i] * 255 - (float)(10 * (i % 24))) < 12);
        assert_true(fabsf(a.data[24 * 16 + i] * 255 - (float)(15 * (i / 24))) < 12);
    }
    pnb_array_free(&a);
    pnb_error err = {0};
    for (size_t n = 4; n < b.size; n += 29) {
        assert_sentence(&err, PNB_ERROR_INPUT, pnb_image_decode(&err, "x.jpg", b.bytes, n, 0, &a), "file 'x.jpg'");
    }
}

static void test_refusals(void **state) {
    (void)state;
    buffer b;
    pnb_array a;
    pnb_error err = {0};
    make_png(&b, 2, 1, 8, 0, "\0\1\2", 3);
    for (size_t n = 0; n < b.size; n++) {
        assert_sentence(&err, PNB_ERROR_INPUT, pnb_image_decode(&err, "x.png", b.bytes, n, 0, &a), "file 'x.png'");
        assert_null(a.data);
    }
    b.bytes[8 + 25 + 8 + 8] ^= 1; /* a pixel */
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_image_decode(&err, "x.png", b.bytes, b.size, 0, &a), "checksum");
    make_png(&b, 60000, 60000, 8, 0, "\0\1\2", 3);
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_image_decode(&err, "x.png", b.bytes, b.size, 0, &a), "beyond the limit");
    make_png(&b, 8000, 8000, 8, 0, "\0\1\2", 3);
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_image_decode(&err, "x.png", b.bytes, b.size, 0, &a), "cannot hold");
    make_png(&b, 20, 20, 8, 0, "\0\1\2", 3);
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_image_decode(&err, "x.png", b.bytes, b.size, 0, &a), "damaged");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_image_decode(&err, "x", (const unsigned char *)"GIF89a...", 9, 0, &a),
                    "neither PNG nor JPEG");
    assert_sentence(&err, PNB_ERROR_USAGE, pnb_image_decode(&err, "x", b.bytes, b.size, 2, &a), "1 or 3 channels");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_image_read(&err, in_folder("none.png"), 0, &a), "none.png");
}

static void collect(void *context, void *data, int n) {
    put(context, data, (size_t)n);
}

static void load(const char *path) {
    pnb_error err = {0};
    pnb_array a;
    pnb_image_read(&err, path, 0, &a);
    pnb_array_free(&a);
}

/* Damage behind right checksums: the decoder itself must hold. */
static void load_mended(const char *path) {
    size_t n;
    unsigned char *bytes = get_bytes(path, &n);
    for (size_t at = 8; n >= 12 && at <= n - 12;) {
        size_t length =
            (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (length > n - at - 12) break;
        uint32_t crc = pnb_crc32(bytes + at + 4, length + 4);
        for (int i = 0; i < 4; i++) bytes[at + 8 + length + (size_t)i] = (unsigned char)(crc >> (24 - 8 * i));
        at += length + 12;
    }
    pnb_error err = {0};
    pnb_array a;
    pnb_image_decode(&err, "x", bytes, n, 0, &a);
    pnb_array_free(&a);
    free(bytes);
}

static void test_damage(void **state) {
    (void)state;
    buffer b;
    make_jpeg(&b);
    try_damage(b.bytes, b.size, b.size, 200, in_folder("damaged.jpg"), load);
    unsigned char pixels[16 * 16 * 3];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (unsigned char)(i * i / 7);
    b.size = 0;
    assert_true(stbi_write_png_to_func(collect, &b, 16, 16, 3, pixels, 48));
    try_damage(b.bytes, b.size, b.size, 100, in_folder("damaged.png"), load);
    try_damage(b.bytes, b.size, 60, 300, in_folder("damaged.png"), load_mended);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_write),    cmocka_unit_test(test_depths),
        cmocka_unit_test(test_jpeg),       cmocka_unit_test(test_refusals), cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, folder_setup, remove_empty_folder);
}
