/* Pictures through stb_image, with the checks that it leaves to its caller: sizes before allocation, PNG checksums, cut
 * JPEGs. */
#include "io/image.h"

#include "base/file.h"
#include "io/crc32.h"
#include "io/dtype.h"

#include <math.h>
#include <stb_image.h>
#include <stb_image_write.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BAD(...) pnb_fail(err, PNB_ERROR_INPUT, __VA_ARGS__)

/* --- reading --- */

static uint32_t be32(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static pnb_status check_size(pnb_error *err, const char *name, uint64_t w, uint64_t h) {
    if (w > PNB_IMAGE_MAX_SIDE || h > PNB_IMAGE_MAX_SIDE || w * h > PNB_IMAGE_MAX_PIXELS) {
        return BAD("file '%s': %llu x %llu pixels are beyond the limit of %d", name, (unsigned long long)w,
                   (unsigned long long)h, PNB_IMAGE_MAX_PIXELS);
    }
    return PNB_OK;
}

/* Every chunk lies in the file and has the right checksum, and IEND is there: stb_image checks neither. */
static pnb_status check_png(pnb_error *err, const char *name, const unsigned char *bytes, size_t size) {
    if (size >= 24) PNB_TRY(check_size(err, name, be32(bytes + 16), be32(bytes + 20))); /* in IHDR, always first */
    for (size_t at = 8;;) {
        if (size - at < 12) return BAD("file '%s': PNG cut short at byte %zu", name, size);
        size_t length = be32(bytes + at);
        if (length > size - at - 12)
            return BAD("file '%s': PNG cut short: the chunk at byte %zu has %zu bytes", name, at, length);
        if (pnb_crc32(bytes + at + 4, length + 4) != be32(bytes + at + 8 + length)) {
            return BAD("file '%s': PNG damaged: the checksum of the chunk at byte %zu is wrong", name, at);
        }
        if (memcmp(bytes + at + 4, "IEND", 4) == 0) return PNB_OK;
        at += length + 12;
    }
}

/* A Huffman table lists at most 256 codes; stb_image (before 2.29) believes a file that lists more, and writes past its
 * table. */
static bool huffman_tables_fit(const unsigned char *p, size_t n) {
    while (n > 0) {
        if (n < 17) return false;
        size_t codes = 0;
        for (int i = 1; i <= 16; i++) codes += p[i];
        if (codes > 256 || n < 17 + codes) return false;
        p += 17 + codes;
        n -= 17 + codes;
    }
    return true;
}

/* Walks the segments (ITU-T T.81, annex B) to the end marker: stb_image fills a cut picture with grey. */
static pnb_status check_jpeg(pnb_error *err, const char *name, const unsigned char *bytes, size_t size) {
    enum { TABLES = 0xc4, RESTART_FIRST = 0xd0, RESTART_LAST = 0xd7, END = 0xd9 };
    for (size_t at = 2;;) {
        while (at < size && bytes[at] != 0xff) at++; /* padding, or the coded data of a scan */
        while (at < size && bytes[at] == 0xff) at++;
        if (at == size) return BAD("file '%s': JPEG cut short: it has no end marker", name);
        unsigned marker = bytes[at++];
        if (marker == END) return PNB_OK;
        if (marker == 0 || (marker >= RESTART_FIRST && marker <= RESTART_LAST)) continue; /* within a scan */
        size_t length = size - at >= 2 ? (size_t)bytes[at] << 8 | bytes[at + 1] : 0;
        if (length < 2 || length > size - at) return BAD("file '%s': JPEG cut short or damaged at byte %zu", name, at);
        if (marker == TABLES && !huffman_tables_fit(bytes + at + 2, length - 2)) {
            return BAD("file '%s': JPEG damaged: impossible Huffman table at byte %zu", name, at);
        }
        at += length;
    }
}

static float luma(const float *rgb) {
    return 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
}

/* Interleaved samples with `stored` channels (2 and 4 end in alpha) to planes. Exactly one of b8 and b16 is not NULL.
 */
static void to_planes(const unsigned char *b8, const unsigned short *b16, uint32_t stored, uint32_t channels,
                      size_t pixels, float *out) {
    uint32_t colours = stored >= 3 ? 3 : 1;
    for (size_t i = 0; i < pixels; i++) {
        float v[3];
        for (uint32_t c = 0; c < colours; c++) {
            v[c] = b8 ? (float)b8[i * stored + c] / 255.0f : (float)b16[i * stored + c] / 65535.0f;
        }
        if (channels == 1) {
            out[i] = colours == 1 ? v[0] : luma(v);
        } else {
            for (uint32_t c = 0; c < 3; c++) out[c * pixels + i] = colours == 1 ? v[0] : v[c];
        }
    }
}

static pnb_status decode_checked(pnb_error *err, const char *name, const unsigned char *bytes, size_t size,
                                 uint32_t channels, pnb_array *out) {
    int w = 0, h = 0, stored = 0;
    if (!stbi_info_from_memory(bytes, (int)size, &w, &h, &stored) || w <= 0 || h <= 0 || stored < 1 || stored > 4) {
        return BAD("file '%s': not a picture that can be read (%s)", name, stbi_failure_reason());
    }
    uint64_t pixels = (uint64_t)w * (uint64_t)h;
    PNB_TRY(check_size(err, name, (uint64_t)w, (uint64_t)h));
    /* Deflate shrinks at most 1032-fold, a JPEG block of 64 pixels takes at least one bit: refuse a bomb before it is
     * unpacked. */
    uint64_t most = bytes[0] == 0xff ? 8 * 64 : 8 * 1032;
    if (pixels / most > size) return BAD("file '%s': %zu bytes cannot hold %d x %d pixels", name, size, w, h);
    bool deep = stbi_is_16_bit_from_memory(bytes, (int)size) != 0;
    unsigned short *b16 = deep ? stbi_load_16_from_memory(bytes, (int)size, &w, &h, &stored, 0) : NULL;
    unsigned char *b8 = deep ? NULL : stbi_load_from_memory(bytes, (int)size, &w, &h, &stored, 0);
    if (!b16 && !b8) return BAD("file '%s': the picture is damaged (%s)", name, stbi_failure_reason());
    if (channels == 0) channels = stored >= 3 ? 3 : 1;
    char what[320];
    snprintf(what, sizeof what, "file '%.300s'", name);
    const uint64_t shape[3] = {channels, (uint64_t)h, (uint64_t)w};
    pnb_status status = pnb_array_create(err, what, 3, shape, out);
    if (status == PNB_OK) to_planes(b8, b16, (uint32_t)stored, channels, (size_t)w * (size_t)h, out->data);
    stbi_image_free(b16);
    stbi_image_free(b8);
    return status;
}

pnb_status pnb_image_decode(pnb_error *err, const char *name, const unsigned char *bytes, size_t size,
                            uint32_t channels, pnb_array *out) {
    memset(out, 0, sizeof *out);
    if (channels != 0 && channels != 1 && channels != 3) {
        return pnb_fail(err, PNB_ERROR_USAGE, "file '%s': a picture has 1 or 3 channels, not %u", name, channels);
    }
    if (size > PNB_IMAGE_MAX_BYTES)
        return BAD("file '%s': longer than the limit of %d bytes", name, PNB_IMAGE_MAX_BYTES);
    if (size > 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0) {
        PNB_TRY(check_png(err, name, bytes, size));
    } else if (size > 3 && bytes[0] == 0xff && bytes[1] == 0xd8) {
        PNB_TRY(check_jpeg(err, name, bytes, size));
    } else {
        return BAD("file '%s': neither PNG nor JPEG", name);
    }
    return decode_checked(err, name, bytes, size, channels, out);
}

pnb_status pnb_image_read(pnb_error *err, const char *path, uint32_t channels, pnb_array *out) {
    memset(out, 0, sizeof *out);
    void *bytes;
    size_t size;
    PNB_TRY(pnb_file_read(err, path, PNB_IMAGE_MAX_BYTES, &bytes, &size));
    pnb_status status = pnb_image_decode(err, path, bytes, size, channels, out);
    free(bytes);
    return status;
}

pnb_status pnb_image_set_channels(pnb_error *err, pnb_array *image, uint32_t channels) {
    if (image->rank != 3 || (image->shape[0] != 1 && image->shape[0] != 3) || (channels != 1 && channels != 3)) {
        char text[PNB_SHAPE_TEXT_SIZE];
        return BAD("image: expected [1, H, W] or [3, H, W] and 1 or 3 channels, found %s and %u",
                   pnb_shape_to_text(image->rank, image->shape, text), channels);
    }
    if (image->shape[0] == channels) return PNB_OK;
    const uint64_t shape[3] = {channels, image->shape[1], image->shape[2]};
    pnb_array converted;
    PNB_TRY(pnb_array_create(err, "image", 3, shape, &converted));
    size_t pixels = (size_t)(shape[1] * shape[2]);
    for (size_t i = 0; i < pixels; i++) {
        if (channels == 1) {
            const float rgb[3] = {image->data[i], image->data[pixels + i], image->data[2 * pixels + i]};
            converted.data[i] = luma(rgb);
        } else {
            for (uint32_t c = 0; c < 3; c++) converted.data[c * pixels + i] = image->data[i];
        }
    }
    pnb_array_free(image);
    *image = converted;
    return PNB_OK;
}

/* --- writing --- */

typedef struct sink {
    unsigned char *bytes;
    size_t size, room;
    bool failed;
} sink;

static void append(void *context, void *data, int n) {
    sink *s = context;
    if (s->failed || n <= 0) return;
    if (s->room - s->size < (size_t)n) {
        size_t room = 2 * s->room + (size_t)n;
        unsigned char *more = realloc(s->bytes, room);
        if (!more) {
            s->failed = true;
            return;
        }
        s->bytes = more;
        s->room = room;
    }
    memcpy(s->bytes + s->size, data, (size_t)n);
    s->size += (size_t)n;
}

static pnb_status check_writable(pnb_error *err, const char *path, uint32_t channels, uint32_t height, uint32_t width) {
    if ((channels != 1 && channels != 3) || !height || !width || height > PNB_IMAGE_MAX_SIDE ||
        width > PNB_IMAGE_MAX_SIDE || (uint64_t)height * width > PNB_IMAGE_MAX_PIXELS) {
        return pnb_fail(err, PNB_ERROR_USAGE, "file '%s': a PNG of %u x %u pixels and %u channels cannot be written",
                        path, width, height, channels);
    }
    return PNB_OK;
}

pnb_status pnb_image_write_png_u8(pnb_error *err, const char *path, uint32_t channels, uint32_t height, uint32_t width,
                                  const unsigned char *hwc) {
    PNB_TRY(check_writable(err, path, channels, height, width));
    sink s = {0};
    int made = stbi_write_png_to_func(append, &s, (int)width, (int)height, (int)channels, hwc, (int)(width * channels));
    pnb_status status = made && !s.failed
                            ? pnb_file_write(err, path, s.bytes, s.size)
                            : pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory to compress a PNG", path);
    free(s.bytes);
    return status;
}

pnb_status pnb_image_write_png(pnb_error *err, const char *path, uint32_t channels, uint32_t height, uint32_t width,
                               const float *chw) {
    PNB_TRY(check_writable(err, path, channels, height, width));
    size_t pixels = (size_t)height * width;
    unsigned char *hwc = malloc(pixels * channels);
    if (!hwc) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory for a PNG", path);
    pnb_status status = PNB_OK;
    for (size_t i = 0; i < pixels * channels && status == PNB_OK; i++) {
        float v = chw[i % channels * pixels + i / channels];
        if (!isfinite(v)) {
            status = pnb_fail(err, PNB_ERROR_NUMERIC,
                              "file '%s': not written: the image has a value that is not finite at row %zu, column %zu",
                              path, i / channels / width, i / channels % width);
            break;
        }
        hwc[i] = (unsigned char)(255.0f * (v < 0 ? 0 : v > 1 ? 1 : v) + 0.5f);
    }
    if (status == PNB_OK) status = pnb_image_write_png_u8(err, path, channels, height, width, hwc);
    free(hwc);
    return status;
}
