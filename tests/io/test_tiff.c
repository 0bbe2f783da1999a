/* TIFF: pages made byte by byte in both byte orders and several kinds, what is written and read again, pixel sizes as ImageJ and
 * OME write them, damage and absurd claims. Skipped, and said so, in a build without libtiff. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/files.h"
#include "io/tiff_maker.h"
#include "io/tiff.h"

#include <math.h>
#include <stdbool.h>

#ifdef PNB_LIBTIFF
#include <tiffio.h>
#endif

static pnb_status parse(pnb_error *err, const maker *m, pnb_tiff_info *info, pnb_array *a) {
    *err = (pnb_error){0};
    return pnb_tiff_parse(err, "made.tif", m->bytes, m->size, info, a);
}

static void refuse(const maker *m, const char *part) {
    pnb_error err;
    pnb_array a;
    assert_sentence(&err, PNB_ERROR_INPUT, parse(&err, m, NULL, &a), part);
    assert_null(a.data);
}

static void test_kinds(void **state) {
    (void)state;
    static maker m;
    static const kind kinds[] = {
        {5, 3, 8, 1, 1, 1, 0, NULL, {0, 0}, 0},  {5, 3, 16, 1, 1, 1, 0, NULL, {0, 0}, 0}, {5, 3, 32, 1, 1, 1, 0, NULL, {0, 0}, 0},
        {5, 3, 16, 2, 1, 1, 0, NULL, {0, 0}, 0}, {5, 3, 32, 3, 1, 1, 0, NULL, {0, 0}, 0}, {5, 3, 64, 3, 1, 1, 0, NULL, {0, 0}, 0},
        {5, 3, 8, 1, 3, 2, 0, NULL, {0, 0}, 0},  {5, 3, 16, 1, 4, 2, 0, NULL, {0, 0}, 0}, {5, 3, 8, 1, 1, 0, 0, NULL, {0, 0}, 0}};
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            const kind *k = &kinds[i];
            double values[60];
            for (int v = 0; v < 60; v++)
                values[v] = k->format == 3 ? 0.37 * v - 7 : k->format == 2 ? v * 11 - 300 : v * (k->bits == 8 ? 4 : 1000);
            begin(&m, turn);
            add_page(&m, k, values);
            for (int v = 0; v < 60; v++) values[v] += 1;
            add_page(&m, k, values);
            pnb_error err;
            pnb_array a;
            pnb_tiff_info info;
            if (parse(&err, &m, &info, &a) != PNB_OK) fail_msg("kind %zu: %s", i, err.message);
            uint32_t colours = k->samples > 2 ? 3 : 1;
            assert_true(a.rank == 4 && a.shape[0] == 2 && a.shape[1] == colours && a.shape[2] == 3 && a.shape[3] == 5);
            assert_true(info.bits == k->bits && info.integer == (k->format != 3) && info.pixel_nm[0] == 0);
            assert_true(info.largest == (k->format == 3 ? 1 : k->format == 2 ? 32767 : ldexp(1, (int)k->bits) - 1));
            for (uint32_t c = 0; c < colours; c++) {
                for (uint32_t p = 0; p < 15; p++) {
                    double want = values[p * k->samples + c]; /* of the second page */
                    if (k->photometric == 0) want = 255 - want;
                    assert_true(a.data[(colours + c) * 15 + p] == (float)want);
                }
            }
            pnb_array_free(&a);
        }
    }
}

#ifdef PNB_LIBTIFF
/* By libtiff itself: strips of 2 rows or tiles, compressed, planes together or apart. */
static void write_blocks(const char *path, bool tiled, uint16_t compression, uint16_t planar, const uint16_t *values, uint32_t h,
                         uint32_t w) {
    enum { TILE = 16 };
    TIFF *t = TIFFOpen(path, "w");
    assert_non_null(t);
    TIFFSetField(t, TIFFTAG_IMAGEWIDTH, w);
    TIFFSetField(t, TIFFTAG_IMAGELENGTH, h);
    TIFFSetField(t, TIFFTAG_SAMPLESPERPIXEL, 3);
    TIFFSetField(t, TIFFTAG_BITSPERSAMPLE, 16);
    TIFFSetField(t, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_RGB);
    TIFFSetField(t, TIFFTAG_PLANARCONFIG, planar);
    TIFFSetField(t, TIFFTAG_COMPRESSION, compression);
    if (tiled) {
        TIFFSetField(t, TIFFTAG_TILEWIDTH, TILE);
        TIFFSetField(t, TIFFTAG_TILELENGTH, TILE);
    } else {
        TIFFSetField(t, TIFFTAG_ROWSPERSTRIP, 2);
    }
    bool together = planar == PLANARCONFIG_CONTIG;
    uint32_t high = tiled ? TILE : 2, wide = tiled ? TILE : w, step = together ? 3 : 1;
    for (uint32_t c = 0; c < (together ? 1u : 3u); c++) {
        for (uint32_t top = 0; top < h; top += high) {
            for (uint32_t left = 0; left < w; left += wide) {
                uint16_t block[TILE * 64 * 3] = {0};
                uint32_t rows = !tiled && h - top < high ? h - top : high;
                for (uint32_t i = 0; i < rows && top + i < h; i++)
                    for (uint32_t j = 0; j < wide && left + j < w; j++)
                        for (uint32_t k = 0; k < step; k++)
                            block[(i * wide + j) * step + k] = values[((top + i) * w + left + j) * 3 + (together ? k : c)];
                tmsize_t bytes = (tmsize_t)(rows * wide * step * 2);
                if (tiled) assert_true(TIFFWriteEncodedTile(t, TIFFComputeTile(t, left, top, 0, (uint16_t)c), block, bytes) == bytes);
                else assert_true(TIFFWriteEncodedStrip(t, TIFFComputeStrip(t, top, (uint16_t)c), block, bytes) == bytes);
            }
        }
    }
    TIFFClose(t);
}

static void test_blocks(void **state) {
    (void)state;
    enum { H = 21, W = 37 };
    static const uint16_t compressions[] = {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_PACKBITS};
    uint16_t values[H * W * 3];
    for (int i = 0; i < H * W * 3; i++) values[i] = (uint16_t)(i * 31);
    for (int i = 0; i < 16; i++) {
        const char *path = in_folder("blocks.tif");
        pnb_error err = {0};
        pnb_array a;
        write_blocks(path, i & 1, compressions[i / 4], i & 2 ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG, values, H, W);
        if (pnb_tiff_read(&err, path, NULL, &a) != PNB_OK) fail_msg("%d: %s", i, err.message);
        assert_true(a.rank == 4 && a.shape[0] == 1 && a.shape[1] == 3 && a.shape[2] == H && a.shape[3] == W);
        for (int c = 0; c < 3; c++)
            for (int p = 0; p < H * W; p++) assert_true(a.data[c * H * W + p] == (float)values[p * 3 + c]);
        pnb_array_free(&a);
        unlink(path);
    }
}
#else
static void test_blocks(void **state) { (void)state; }
#endif

static void check_size(const kind *k, double nm) {
    static maker m;
    double values[4] = {1, 2, 3, 4};
    pnb_error err;
    pnb_array a;
    pnb_tiff_info info;
    begin(&m, false);
    add_page(&m, k, values);
    if (parse(&err, &m, &info, &a) != PNB_OK) fail_msg("%s", err.message);
    if (!(fabs(info.pixel_nm[0] - nm) <= 1e-6 * nm && info.pixel_nm[1] == info.pixel_nm[0]))
        fail_msg("expected pixels of %g nm, found %g", nm, info.pixel_nm[0]);
    pnb_array_free(&a);
}

static void test_pixel_sizes(void **state) {
    (void)state;
    check_size(&(kind){2, 2, 16, 1, 1, 1, 0, "ImageJ=1.53f\nimages=1\nunit=micron\n", {1000, 65}, 1}, 65);
    check_size(&(kind){2, 2, 16, 1, 1, 1, 0, "ImageJ=1.53f\nunit=\\u00B5m\nloop=false\n", {10, 1}, 1}, 100);
    check_size(&(kind){2, 2, 16, 1, 1, 1, 0, "ImageJ=1.53f\nunit=nm\n", {1, 40}, 1}, 40);
    check_size(&(kind){2, 2, 16, 1, 1, 1, 0, NULL, {100000, 1}, 3}, 100); /* a centimetre */
    check_size(&(kind){2, 2, 16, 1, 1, 1, 0, NULL, {72, 1}, 2}, 0);       /* an inch: a printer's */
    check_size(&(kind){2, 2, 16, 1, 1, 1, 0, "ImageJ=1.53f\nunit=parsec\n", {10, 1}, 1}, 0);
    check_size(&(kind){2, 2, 16, 1, 1, 1, 0, "<OME><Pixels PhysicalSizeX=\"0.0313\" PhysicalSizeY=\"0.0313\"/></OME>", {72, 1}, 2}, 31.3);
    check_size(&(kind){2, 2, 16, 1, 1, 1, 0, "<OME><Pixels PhysicalSizeX=\"50\" PhysicalSizeXUnit=\"nm\" PhysicalSizeY=\"50\" "
                                             "PhysicalSizeYUnit=\"nm\"/></OME>", {0, 0}, 0}, 50);
}

static void test_written_is_read(void **state) {
    (void)state;
    enum { K = 3, H = 7, W = 5 };
    for (uint32_t channels = 1; channels <= 3; channels += 2) {
        float data[K * 3 * H * W];
        const double nm[2] = {31.3, 31.3};
        pnb_error err = {0};
        pnb_array a;
        pnb_tiff_info info;
        for (size_t i = 0; i < sizeof data / sizeof *data; i++) data[i] = sinf((float)i) * 1000;
        const char *path = in_folder("out.tif");
        assert_int_equal(pnb_tiff_write(&err, path, K, channels, H, W, data, nm), PNB_OK);
        assert_int_equal(pnb_tiff_read(&err, path, &info, &a), PNB_OK);
        assert_true(a.rank == 4 && a.shape[0] == K && a.shape[1] == channels && a.shape[2] == H && a.shape[3] == W);
        assert_memory_equal(a.data, data, a.count * sizeof *data);
        assert_true(!info.integer && info.bits == 32 && fabs(info.pixel_nm[0] - 31.3) < 1e-5 && fabs(info.pixel_nm[1] - 31.3) < 1e-5);
        pnb_array_free(&a);
        data[4] = NAN;
        assert_sentence(&err, PNB_ERROR_NUMERIC, pnb_tiff_write(&err, path, 1, channels, H, W, data, NULL), "element 4 is not finite");
        unlink(path);
    }
}

/* What other programs read, tifffile among them where it is installed. */
static void test_others_read(void **state) {
    (void)state;
    const char *python = access("/usr/bin/python3", X_OK) == 0 ? "/usr/bin/python3" : "python3";
    float data[2 * 6 * 4];
    const double nm[2] = {100, 100};
    pnb_error err = {0};
    char command[1024];
    snprintf(command, sizeof command, "%s -c 'from PIL import Image' 2>/dev/null", python);
    if (system(command) != 0) {
        fprintf(stderr, "skipped: there is no PIL (Debian: python3-pil)\n");
        return;
    }
    for (int i = 0; i < 48; i++) data[i] = (float)i / 8;
    assert_int_equal(pnb_tiff_write(&err, in_folder("pil.tif"), 2, 1, 6, 4, data, nm), PNB_OK);
    snprintf(command, sizeof command,
             "%s -c \"from PIL import Image; m = Image.open('%s/pil.tif'); assert m.n_frames == 2 and m.size == (4, 6) and m.mode == 'F'; "
             "m.seek(1); assert [m.getpixel((x, 5)) for x in range(4)] == [(44 + x) / 8 for x in range(4)]; m.seek(0); "
             "assert abs(float(m.tag_v2[282]) - 10) < 1e-6 and 'unit=um' in m.tag_v2[270] and 'images=2' in m.tag_v2[270]\"",
             python, folder);
    assert_int_equal(system(command), 0);
    unlink(in_folder("pil.tif"));
}

static void test_refused(void **state) {
    (void)state;
    static maker m;
    double values[60] = {0};
    const kind grey = {5, 3, 16, 1, 1, 1, 0, NULL, {0, 0}, 0};
    kind k = grey;
    begin(&m, false);
    add_page(&m, &grey, values);
    k.width = 4;
    add_page(&m, &k, values);
    refuse(&m, "expected pages of one kind");
    begin(&m, false);
    add_page(&m, &grey, values); /* the header of a giant over the data of a dwarf */
    for (size_t i = 8; i + 12 <= m.size; i++) {
        bool side = m.bytes[i + 1] == 1 && m.bytes[i] < 2 && m.bytes[i + 2] == 4; /* tag 256 or 257, a long */
        if (side && m.bytes[i + 8] == (m.bytes[i] ? 3 : 5)) put(&m, i + 8, 60000, 4);
    }
    refuse(&m, "60000 x 60000 pixels are more than");
    begin(&m, false);
    k = grey;
    k.compression = 7;
    add_page(&m, &k, values);
    refuse(&m, "compression 7 is not read");
    begin(&m, false);
    k = grey;
    k.photometric = 5;
    add_page(&m, &k, values);
    refuse(&m, "neither grey nor RGB");
    begin(&m, false);
    k = (kind){5, 3, 32, 3, 1, 1, 0, NULL, {0, 0}, 0};
    values[8] = NAN;
    add_page(&m, &k, values);
    refuse(&m, "row 1, column 3 is nan");
    begin(&m, false);
    k = grey;
    k.description = "ImageJ=1.53\nimages=1000\n";
    add_page(&m, &k, values);
    refuse(&m, "counts 1000 images");
    m.size = 3;
    refuse(&m, "not a TIFF");
}

static void load(const char *path) {
    pnb_error err = {0};
    pnb_array a;
    pnb_status status = pnb_tiff_read(&err, path, NULL, &a);
    assert_true(status == PNB_OK || (status == PNB_ERROR_INPUT && err.message[0]));
    pnb_array_free(&a);
}

static void test_damage(void **state) {
    (void)state;
    static maker m;
    double values[60] = {1, 2, 3};
    begin(&m, true);
    for (int i = 0; i < 3; i++) add_page(&m, &(kind){5, 3, 16, 1, 1, 1, 0, "ImageJ=1.53f\nimages=3\nunit=nm\n", {1, 40}, 1}, values);
    try_damage(m.bytes, m.size, m.size, 3000, in_folder("damaged.tif"), load);
    unlink(in_folder("damaged.tif"));
}

int main(void) {
#ifndef PNB_LIBTIFF
    fprintf(stderr, "skipped: this build has no libtiff\n");
    return 77;
#endif
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kinds), cmocka_unit_test(test_blocks),      cmocka_unit_test(test_pixel_sizes),
                                       cmocka_unit_test(test_written_is_read), cmocka_unit_test(test_others_read),
                                       cmocka_unit_test(test_refused),     cmocka_unit_test(test_damage)};
    return cmocka_run_group_tests(tests, folder_setup, remove_empty_folder);
}
