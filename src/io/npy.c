/* NPY: magic, version, length of a header that is a Python dictionary literal, data.
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include "io/npy.h"

#include "base/file.h"
#include "io/dtype.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_LIMIT = 65536, CHUNK = 1 << 15 };

#define BAD(...) pnb_fail(err, PNB_ERROR_INPUT, __VA_ARGS__)

/* --- the header: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } --- */

typedef struct header {
    pnb_dtype dtype;
    bool fortran;
    uint32_t rank;
    uint64_t shape[PNB_ARRAY_MAX_RANK];
} header;

typedef struct cursor {
    const char *p, *end;
} cursor;

static void skip_space(cursor *c) {
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t' || *c->p == '\r')) c->p++;
}

static bool take(cursor *c, char ch) {
    skip_space(c);
    if (c->p == c->end || *c->p != ch) return false;
    c->p++;
    return true;
}

static bool take_word(cursor *c, const char *word) {
    skip_space(c);
    size_t n = strlen(word);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0) return false;
    c->p += n;
    return true;
}

/* A string in single or double quotes, without escapes, into buf. */
static bool take_string(cursor *c, char *buf, size_t room) {
    skip_space(c);
    if (c->p == c->end || (*c->p != '\'' && *c->p != '"')) return false;
    char quote = *c->p++;
    size_t n = 0;
    while (c->p < c->end && *c->p != quote) {
        if (n + 1 == room || (unsigned char)*c->p < 32 || (unsigned char)*c->p > 126 || *c->p == '\\') return false;
        buf[n++] = *c->p++;
    }
    buf[n] = 0;
    return take(c, quote);
}

static bool take_whole(cursor *c, uint64_t *out) {
    skip_space(c);
    if (c->p == c->end || *c->p < '0' || *c->p > '9') return false;
    *out = 0;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9') {
        if (*out > (UINT64_MAX - 9) / 10) return false;
        *out = *out * 10 + (uint64_t)(*c->p++ - '0');
    }
    if (c->p < c->end && *c->p == 'L') c->p++; /* as Python 2 wrote it */
    return true;
}

static bool take_shape(cursor *c, header *h) {
    if (!take(c, '(')) return false;
    while (!take(c, ')')) {
        if (h->rank == PNB_ARRAY_MAX_RANK || !take_whole(c, &h->shape[h->rank])) return false;
        h->rank++;
        if (!take(c, ',')) return take(c, ')');
    }
    return true;
}

static pnb_status parse_descr(pnb_error *err, const char *path, const char *text, pnb_dtype *out) {
    static const struct {
        const char *text;
        pnb_dtype dtype;
    } known[] = {{"<f4", PNB_F32}, {"<f8", PNB_F64}, {"<f2", PNB_F16}, {"<i8", PNB_I64}, {"<i4", PNB_I32},
                 {"<i2", PNB_I16}, {"|i1", PNB_I8},  {"|u1", PNB_U8},  {"|b1", PNB_BOOL}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(text, known[i].text) == 0) {
            *out = known[i].dtype;
            return PNB_OK;
        }
    }
    const char *advice = text[0] == '>'   ? "convert it to little-endian first"
                         : text[1] == 'c' ? "store complex data as float32 with a last axis of 2"
                                          : "save it as float32 first";
    return BAD("file '%s': element type '%s' is not supported (<f2 <f4 <f8 |i1 <i2 <i4 <i8 |u1 |b1 are); %s", path,
               text, advice);
}

static pnb_status parse_header(pnb_error *err, const char *path, const char *text, size_t length, header *h) {
    cursor c = {text, text + length};
    char key[32], descr[32];
    unsigned seen = 0;
    bool good = take(&c, '{');
    while (good && !take(&c, '}')) {
        unsigned bit = 0;
        good = take_string(&c, key, sizeof key) && take(&c, ':');
        if (good && strcmp(key, "descr") == 0) {
            bit = 1;
            if (!take_string(&c, descr, sizeof descr)) {
                return BAD("file '%s': header: descr must name one plain element type such as '<f4'", path);
            }
            PNB_TRY(parse_descr(err, path, descr, &h->dtype));
        } else if (good && strcmp(key, "fortran_order") == 0) {
            bit = 2;
            h->fortran = take_word(&c, "True");
            good = h->fortran || take_word(&c, "False");
        } else if (good && strcmp(key, "shape") == 0) {
            bit = 4;
            if (!take_shape(&c, h)) {
                return BAD("file '%s': header: shape must be a tuple of at most %d whole numbers", path,
                           PNB_ARRAY_MAX_RANK);
            }
        }
        good = good && bit && !(seen & bit);
        seen |= bit;
        if (good && !take(&c, ',')) {
            good = take(&c, '}');
            break;
        }
    }
    skip_space(&c);
    if (!good || seen != 7 || c.p != c.end) {
        return BAD(
            "file '%s': header: expected {'descr': ..., 'fortran_order': ..., 'shape': ...}, at byte %zu of the header",
            path, (size_t)(c.p - text));
    }
    return PNB_OK;
}

static pnb_status read_header(pnb_error *err, const char *path, FILE *f, uint64_t file_bytes, header *h,
                              uint64_t *data_start) {
    unsigned char start[12] = {0};
    size_t got = fread(start, 1, 8, f);
    if (got < 8 || memcmp(start, "\x93NUMPY", 6) != 0)
        return BAD("file '%s': not an NPY file (its first bytes are not \\x93NUMPY)", path);
    if (start[6] < 1 || start[6] > 3)
        return BAD("file '%s': NPY version %u.%u, expected 1 to 3", path, start[6], start[7]);
    size_t width = start[6] == 1 ? 2 : 4;
    if (fread(start + 8, 1, width, f) != width) return BAD("file '%s': truncated in its header", path);
    uint64_t length = width == 2 ? pnb_le16(start + 8) : pnb_le32(start + 8);
    *data_start = 8 + width + length;
    if (*data_start > file_bytes) {
        return BAD("file '%s': truncated: its header claims %llu bytes, the file has %llu", path,
                   (unsigned long long)length, (unsigned long long)file_bytes);
    }
    if (length > HEADER_LIMIT)
        return BAD("file '%s': its header of %llu bytes is beyond the limit of %d", path, (unsigned long long)length,
                   HEADER_LIMIT);
    char *text = malloc((size_t)length + 1);
    if (!text) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory for its header", path);
    pnb_status status = fread(text, 1, (size_t)length, f) == length ? parse_header(err, path, text, (size_t)length, h)
                                                                    : BAD("file '%s': truncated in its header", path);
    free(text);
    return status;
}

/* --- the data --- */

/* Data in Fortran order (first index fastest) to C order, in a new allocation that replaces a->data. */
static pnb_status to_c_order(pnb_error *err, const char *path, pnb_array *a) {
    float *c = malloc((size_t)a->count * sizeof *c);
    if (!c) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory to reorder its data", path);
    uint64_t stride[PNB_ARRAY_MAX_RANK], index[PNB_ARRAY_MAX_RANK] = {0}, from = 0;
    for (uint32_t d = 0; d < a->rank; d++) stride[d] = d ? stride[d - 1] * a->shape[d - 1] : 1;
    for (uint64_t i = 0; i < a->count; i++) {
        c[i] = a->data[from];
        for (uint32_t d = a->rank; d-- > 0;) {
            from += stride[d];
            if (++index[d] < a->shape[d]) break;
            from -= stride[d] * index[d];
            index[d] = 0;
        }
    }
    free(a->data);
    a->data = c;
    return PNB_OK;
}

static pnb_status read_array(pnb_error *err, const char *path, FILE *f, pnb_array *out) {
    off_t end = fseeko(f, 0, SEEK_END) == 0 ? ftello(f) : -1;
    if (end < 0 || fseeko(f, 0, SEEK_SET) != 0)
        return BAD("file '%s': its size cannot be found: %s", path, strerror(errno));
    header h = {0};
    uint64_t start = 0, count = 0;
    PNB_TRY(read_header(err, path, f, (uint64_t)end, &h, &start));
    char text[PNB_SHAPE_TEXT_SIZE];
    uint64_t size = pnb_dtype_size(h.dtype), have = (uint64_t)end - start;
    if (!pnb_shape_product(h.rank, h.shape, &count) || count > UINT64_MAX / size || count * size != have) {
        return BAD("file '%s': shape %s of %s does not fit the %llu bytes of data in the file (%s)", path,
                   pnb_shape_to_text(h.rank, h.shape, text), pnb_dtype_name(h.dtype), (unsigned long long)have,
                   count <= UINT64_MAX / size && count * size < have ? "bytes are left over" : "truncated?");
    }
    char what[320];
    snprintf(what, sizeof what, "file '%.300s'", path);
    PNB_TRY(pnb_array_create(err, what, h.rank, h.shape, out));
    unsigned char chunk[CHUNK];
    for (uint64_t done = 0; done < count;) {
        size_t n = count - done < CHUNK / size ? (size_t)(count - done) : CHUNK / (size_t)size;
        if (fread(chunk, (size_t)size, n, f) != n)
            return BAD("file '%s': the file ended or failed while it was read", path);
        pnb_dtype_to_f32(h.dtype, chunk, n, out->data + done);
        done += n;
    }
    return h.fortran && h.rank > 1 && count ? to_c_order(err, path, out) : PNB_OK;
}

pnb_status pnb_npy_read(pnb_error *err, const char *path, pnb_array *out) {
    memset(out, 0, sizeof *out);
    FILE *f = fopen(path, "rb");
    if (!f) return BAD("file '%s': cannot be opened: %s", path, strerror(errno));
    pnb_status status = read_array(err, path, f, out);
    fclose(f);
    if (status != PNB_OK) pnb_array_free(out);
    return status;
}

/* --- writing --- */

pnb_status pnb_npy_write(pnb_error *err, const char *path, uint32_t rank, const uint64_t *shape, const float *data) {
    uint64_t count = 0;
    if (rank > PNB_ARRAY_MAX_RANK || !pnb_shape_product(rank, shape, &count) || count > SIZE_MAX / 8) {
        return pnb_fail(err, PNB_ERROR_USAGE, "file '%s': an array needs rank up to %d and a possible shape", path,
                        PNB_ARRAY_MAX_RANK);
    }
    char dims[PNB_SHAPE_TEXT_SIZE + 1], text[320];
    pnb_shape_to_text(rank, shape, dims);
    dims[0] = '(';
    snprintf(dims + strlen(dims) - 1, 3, rank == 1 ? ",)" : ")"); /* Python's tuple of one */
    int n = snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", dims);
    size_t length = ((size_t)n + 1 + 10 + 63) / 64 * 64 - 10; /* data start at a multiple of 64 */
    unsigned char head[10 + 384];
    memcpy(head, "\x93NUMPY\x01\x00", 8);
    head[8] = (unsigned char)length;
    head[9] = (unsigned char)(length >> 8);
    memset(head + 10, ' ', length);
    memcpy(head + 10, text, (size_t)n);
    head[10 + length - 1] = '\n';
    pnb_file_writer w;
    PNB_TRY(pnb_writer_open(err, path, &w));
    pnb_status status = pnb_writer_write(&w, head, 10 + length);
    if (status == PNB_OK) status = pnb_dtype_write_f32(&w, PNB_F32, data, count);
    if (status == PNB_OK) return pnb_writer_commit(&w);
    pnb_writer_abort(&w);
    return status;
}
