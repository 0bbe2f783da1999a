/* IDX files, and the gzip envelope around them (RFC 1952), inflated by stb_image's decoder. */
#include "io/idx.h"

#include "base/file.h"
#include "io/crc32.h"
#include "io/dtype.h"

#include <stb_image.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 30 };

#define BAD(...) pnb_fail(err, PNB_ERROR_INPUT, __VA_ARGS__)

/* Skips the gzip header; false where the file is cut or not deflate. */
static bool gzip_body(const unsigned char *b, size_t n, size_t *start) {
    if (n < 18 || b[2] != 8 || (b[3] & 0xe0)) return false;
    size_t at = 10;
    if (b[3] & 4) { /* extra field */
        at += 2u + pnb_le16(b + at);
        if (at >= n) return false;
    }
    for (int field = 8; field <= 16; field *= 2) { /* file name, comment: strings that end in 0 */
        if (!(b[3] & field)) continue;
        while (at < n && b[at]) at++;
        at++;
    }
    if (b[3] & 2) at += 2; /* header checksum */
    *start = at;
    return at + 8 < n;
}

/* Replaces *bytes by its unpacked content. */
static pnb_status gunzip(pnb_error *err, const char *path, unsigned char **bytes, size_t *size) {
    size_t start = 0, n = *size;
    if (!gzip_body(*bytes, n, &start)) return BAD("file '%s': gzip header damaged or cut short", path);
    size_t length = pnb_le32(*bytes + n - 4), packed = n - 8 - start;
    if (length > FILE_LIMIT || length / 1032 > packed) { /* deflate's largest factor */
        return BAD("file '%s': gzip damaged: %zu bytes cannot unpack to %zu", path, packed, length);
    }
    unsigned char *out = malloc(length + 1);
    if (!out) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory for %zu bytes", path, length);
    int got = stbi_zlib_decode_noheader_buffer((char *)out, (int)length, (const char *)*bytes + start, (int)packed);
    if (got < 0 || (size_t)got != length || pnb_crc32(out, length) != pnb_le32(*bytes + n - 8)) {
        free(out);
        return BAD("file '%s': gzip damaged: its content does not match its length and checksum", path);
    }
    free(*bytes);
    *bytes = out;
    *size = length;
    return PNB_OK;
}

static pnb_status parse(pnb_error *err, const char *path, const unsigned char *b, size_t size, pnb_idx *out) {
    if (size < 4 || b[0] || b[1]) return BAD("file '%s': not an IDX file (it must start with two zero bytes)", path);
    if (b[2] != 8) return BAD("file '%s': IDX type 0x%02x, expected 0x08 (unsigned bytes)", path, b[2]);
    if (b[3] < 1 || b[3] > PNB_ARRAY_MAX_RANK)
        return BAD("file '%s': IDX rank %u, expected 1 to %d", path, b[3], PNB_ARRAY_MAX_RANK);
    size_t start = 4 + 4 * (size_t)b[3];
    if (size < start) return BAD("file '%s': cut short in its header", path);
    out->rank = b[3];
    for (uint32_t d = 0; d < out->rank; d++) {
        const unsigned char *p = b + 4 + 4 * d;
        out->shape[d] = (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
    }
    char text[PNB_SHAPE_TEXT_SIZE];
    if (!pnb_shape_product(out->rank, out->shape, &out->count) || out->count != size - start) {
        return BAD("file '%s': shape %s does not fit its %zu bytes of data", path,
                   pnb_shape_to_text(out->rank, out->shape, text), size - start);
    }
    out->data = malloc(out->count ? (size_t)out->count : 1);
    if (!out->data)
        return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory for %zu bytes", path, size - start);
    memcpy(out->data, b + start, (size_t)out->count);
    return PNB_OK;
}

pnb_status pnb_idx_read(pnb_error *err, const char *path, pnb_idx *out) {
    memset(out, 0, sizeof *out);
    void *whole;
    size_t size;
    PNB_TRY(pnb_file_read(err, path, FILE_LIMIT, &whole, &size));
    unsigned char *bytes = whole;
    pnb_status status = size > 2 && bytes[0] == 0x1f && bytes[1] == 0x8b ? gunzip(err, path, &bytes, &size) : PNB_OK;
    if (status == PNB_OK) status = parse(err, path, bytes, size, out);
    free(bytes);
    if (status != PNB_OK) pnb_idx_free(out);
    return status;
}

void pnb_idx_free(pnb_idx *idx) {
    if (!idx) return;
    free(idx->data);
    memset(idx, 0, sizeof *idx);
}
