/* safetensors: header length (8 bytes, little-endian), JSON header, tensor data.
 * Format: https://github.com/huggingface/safetensors, section "Format". */
#include "io/safetensors.h"

#include "base/file.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A header holds about 100 bytes a tensor; the parsed form takes at most about 32 times as much memory. */
enum { HEADER_LIMIT = 8 << 20, CHUNK = 1 << 15 };

struct pnb_safetensors {
    pnb_error *err;
    FILE *file;
    char *path;
    cJSON *header; /* owns the names and the metadata */
    const cJSON *metadata;
    pnb_safetensors_entry *entries;
    const pnb_safetensors_entry **by_name; /* sorted */
    size_t count;
};

/* --- small helpers --- */

static bool printable(const char *name) {
    for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
        if (*p < 32 || *p == 127) return false;
    }
    return *name != 0;
}

/* A JSON number that is a whole number from 0 to 2^53. */
static bool whole(const cJSON *j, uint64_t *out) {
    if (!cJSON_IsNumber(j)) return false;
    double d = j->valuedouble;
    if (!(d >= 0 && d <= 9007199254740992.0)) return false;
    *out = (uint64_t)d;
    return (double)*out == d;
}

static int compare_names(const void *a, const void *b) {
    return strcmp((*(const pnb_safetensors_entry *const *)a)->name, (*(const pnb_safetensors_entry *const *)b)->name);
}

static int compare_offsets(const void *a, const void *b) {
    const pnb_safetensors_entry *x = *(const pnb_safetensors_entry *const *)a,
                                *y = *(const pnb_safetensors_entry *const *)b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty tensors first */
}

/* --- the header --- */

#define BAD(st, ...) pnb_fail((st)->err, PNB_ERROR_MODEL, __VA_ARGS__)

static pnb_status read_entry(pnb_safetensors *st, const cJSON *j, uint64_t data_start, uint64_t data_bytes,
                             pnb_safetensors_entry *e) {
    const char *file = st->path, *name = j->string;
    e->name = name;
    if (!printable(name)) return BAD(st, "file '%s': a tensor name is empty or has control characters", file);
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(j, "dtype"),
                *shape = cJSON_GetObjectItemCaseSensitive(j, "shape"),
                *range = cJSON_GetObjectItemCaseSensitive(j, "data_offsets");
    if (!cJSON_IsObject(j) || !cJSON_IsString(dtype) || !cJSON_IsArray(shape) || !cJSON_IsArray(range) ||
        cJSON_GetArraySize(j) != 3) {
        return BAD(
            st, "file '%s': tensor '%.200s': expected exactly a dtype string, a shape array and a data_offsets array",
            file, name);
    }
    int type = 0;
    while (type < PNB_DTYPE_COUNT && strcmp(dtype->valuestring, pnb_dtype_name((pnb_dtype)type)) != 0) type++;
    if (type == PNB_DTYPE_COUNT) {
        return BAD(st,
                   "file '%s': tensor '%.200s': dtype '%.40s' is not one of F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL",
                   file, name, printable(dtype->valuestring) ? dtype->valuestring : "?");
    }
    e->dtype = (pnb_dtype)type;
    const cJSON *item;
    cJSON_ArrayForEach(item, shape) {
        if (e->rank == PNB_ARRAY_MAX_RANK || !whole(item, &e->shape[e->rank])) {
            return BAD(st, "file '%s': tensor '%.200s': shape must be at most %d whole numbers", file, name,
                       PNB_ARRAY_MAX_RANK);
        }
        e->rank++;
    }
    char text[PNB_SHAPE_TEXT_SIZE];
    uint64_t size = pnb_dtype_size(e->dtype), begin = 0, end = 0;
    if (!pnb_shape_product(e->rank, e->shape, &e->count) || e->count > UINT64_MAX / size) {
        return BAD(st, "file '%s': tensor '%.200s': shape %s is impossibly large", file, name,
                   pnb_shape_to_text(e->rank, e->shape, text));
    }
    e->bytes = e->count * size;
    if (cJSON_GetArraySize(range) != 2 || !whole(range->child, &begin) || !whole(range->child->next, &end) ||
        begin > end) {
        return BAD(st, "file '%s': tensor '%.200s': data_offsets must be two whole numbers [begin, end]", file, name);
    }
    if (end > data_bytes) {
        return BAD(
            st, "file '%s': tensor '%.200s': data end at byte %llu, but the file has %llu bytes of data (truncated?)",
            file, name, (unsigned long long)end, (unsigned long long)data_bytes);
    }
    if (end - begin != e->bytes) {
        return BAD(st, "file '%s': tensor '%.200s': %s of shape %s needs %llu bytes, data_offsets span %llu", file,
                   name, pnb_dtype_name(e->dtype), pnb_shape_to_text(e->rank, e->shape, text),
                   (unsigned long long)e->bytes, (unsigned long long)(end - begin));
    }
    e->offset = data_start + begin;
    return PNB_OK;
}

/* Tensors lie back to back from the start of the data to the end of the file. Uses by_name as scratch. */
static pnb_status check_ranges(pnb_safetensors *st, uint64_t data_start, uint64_t data_bytes) {
    qsort(st->by_name, st->count, sizeof *st->by_name, compare_offsets);
    uint64_t at = data_start;
    for (size_t i = 0; i < st->count; i++) {
        const pnb_safetensors_entry *e = st->by_name[i];
        if (e->offset != at) {
            return BAD(st, "file '%s': tensor '%.200s': data begin at byte %llu, expected %llu (%s)", st->path, e->name,
                       (unsigned long long)(e->offset - data_start), (unsigned long long)(at - data_start),
                       e->offset < at ? "it overlaps another tensor" : "there is a hole before it");
        }
        at += e->bytes;
    }
    if (at - data_start != data_bytes) {
        return BAD(st, "file '%s': %llu bytes follow the last tensor", st->path,
                   (unsigned long long)(data_bytes - (at - data_start)));
    }
    return PNB_OK;
}

static pnb_status index_names(pnb_safetensors *st) {
    qsort(st->by_name, st->count, sizeof *st->by_name, compare_names);
    for (size_t i = 1; i < st->count; i++) {
        if (strcmp(st->by_name[i - 1]->name, st->by_name[i]->name) == 0) {
            return BAD(st, "file '%s': tensor '%.200s' appears twice", st->path, st->by_name[i]->name);
        }
    }
    return PNB_OK;
}

static pnb_status check_metadata(pnb_safetensors *st, const cJSON *j) {
    if (st->metadata) return BAD(st, "file '%s': __metadata__ appears twice", st->path);
    if (!cJSON_IsObject(j)) return BAD(st, "file '%s': __metadata__ must be an object of strings", st->path);
    const cJSON *item;
    cJSON_ArrayForEach(item, j) {
        if (!cJSON_IsString(item)) {
            return BAD(st, "file '%s': __metadata__ '%.100s' must be a string", st->path,
                       printable(item->string) ? item->string : "?");
        }
    }
    st->metadata = j;
    return PNB_OK;
}

static pnb_status read_entries(pnb_safetensors *st, uint64_t data_start, uint64_t data_bytes) {
    size_t room = (size_t)cJSON_GetArraySize(st->header);
    if (room == 0) room = 1;
    st->entries = calloc(room, sizeof *st->entries);
    st->by_name = calloc(room, sizeof *st->by_name);
    if (!st->entries || !st->by_name) {
        return pnb_fail(st->err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory for %zu tensor entries", st->path,
                        room);
    }
    const cJSON *j;
    cJSON_ArrayForEach(j, st->header) {
        if (strcmp(j->string, "__metadata__") == 0) {
            PNB_TRY(check_metadata(st, j));
            continue;
        }
        pnb_safetensors_entry *e = &st->entries[st->count];
        PNB_TRY(read_entry(st, j, data_start, data_bytes, e));
        st->by_name[st->count++] = e;
    }
    PNB_TRY(check_ranges(st, data_start, data_bytes));
    return index_names(st);
}

/* Parses `length` bytes of JSON; after the object only white space may follow. */
static pnb_status parse_header(pnb_safetensors *st, const char *text, size_t length) {
    const char *end = NULL;
    st->header = cJSON_ParseWithLengthOpts(text, length, &end, 0);
    size_t at = end ? (size_t)(end - text) : 0;
    if (!st->header)
        return BAD(st, "file '%s': the header is not valid JSON (near byte %zu of the header)", st->path, at);
    while (at < length && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t')) at++;
    if (at != length) return BAD(st, "file '%s': the header's JSON ends at byte %zu of %zu", st->path, at, length);
    if (!cJSON_IsObject(st->header)) return BAD(st, "file '%s': the header must be a JSON object", st->path);
    return PNB_OK;
}

static pnb_status file_size(pnb_safetensors *st, uint64_t *size) {
    off_t end = fseeko(st->file, 0, SEEK_END) == 0 ? ftello(st->file) : -1;
    if (end < 0 || fseeko(st->file, 0, SEEK_SET) != 0) {
        return BAD(st, "file '%s': its size cannot be found: %s", st->path, strerror(errno));
    }
    *size = (uint64_t)end;
    return PNB_OK;
}

static pnb_status read_header(pnb_safetensors *st) {
    uint64_t size = 0;
    PNB_TRY(file_size(st, &size));
    unsigned char prefix[8];
    if (size < sizeof prefix) {
        return BAD(st, "file '%s': %llu bytes long, a safetensors file has at least 8", st->path,
                   (unsigned long long)size);
    }
    if (fread(prefix, 1, sizeof prefix, st->file) != sizeof prefix) {
        return BAD(st, "file '%s': cannot be read: %s", st->path, strerror(errno));
    }
    uint64_t length = pnb_le64(prefix);
    if (length > size - sizeof prefix) {
        return BAD(st, "file '%s': its header claims %llu bytes, the file has %llu (truncated, or not safetensors)",
                   st->path, (unsigned long long)length, (unsigned long long)size);
    }
    if (length > HEADER_LIMIT) {
        return BAD(st, "file '%s': its header of %llu bytes is beyond the limit of %d", st->path,
                   (unsigned long long)length, HEADER_LIMIT);
    }
    char *text = malloc((size_t)length + 1);
    if (!text) {
        return pnb_fail(st->err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory for its header of %llu bytes", st->path,
                        (unsigned long long)length);
    }
    pnb_status status;
    if (fread(text, 1, (size_t)length, st->file) != length) {
        status = BAD(st, "file '%s': cannot be read: %s", st->path, strerror(errno));
    } else {
        text[length] = 0;
        status = parse_header(st, text, (size_t)length);
    }
    free(text);
    if (status != PNB_OK) return status;
    return read_entries(st, sizeof prefix + length, size - sizeof prefix - length);
}

pnb_status pnb_safetensors_open(pnb_error *err, const char *path, pnb_safetensors **out) {
    *out = NULL;
    size_t length = strlen(path) + 1;
    pnb_safetensors *st = calloc(1, sizeof *st);
    char *copy = malloc(length);
    if (!st || !copy) {
        free(st);
        free(copy);
        return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory to open it", path);
    }
    st->err = err;
    st->path = memcpy(copy, path, length);
    st->file = fopen(path, "rb");
    pnb_status status = st->file
                            ? read_header(st)
                            : pnb_fail(err, PNB_ERROR_INPUT, "file '%s': cannot be opened: %s", path, strerror(errno));
    if (status != PNB_OK) {
        pnb_safetensors_close(st);
        return status;
    }
    *out = st;
    return PNB_OK;
}

void pnb_safetensors_close(pnb_safetensors *st) {
    if (!st) return;
    if (st->file) fclose(st->file);
    cJSON_Delete(st->header);
    free(st->entries);
    free(st->by_name);
    free(st->path);
    free(st);
}

/* --- access --- */

const char *pnb_safetensors_path(const pnb_safetensors *st) {
    return st->path;
}

size_t pnb_safetensors_count(const pnb_safetensors *st) {
    return st->count;
}

const pnb_safetensors_entry *pnb_safetensors_at(const pnb_safetensors *st, size_t i) {
    return i < st->count ? &st->entries[i] : NULL;
}

const pnb_safetensors_entry *pnb_safetensors_find(const pnb_safetensors *st, const char *name) {
    pnb_safetensors_entry key = {.name = name};
    const pnb_safetensors_entry *p = &key;
    const pnb_safetensors_entry **hit = bsearch(&p, st->by_name, st->count, sizeof *st->by_name, compare_names);
    return hit ? *hit : NULL;
}

const char *pnb_safetensors_metadata(const pnb_safetensors *st, const char *key) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(st->metadata, key));
}

bool pnb_safetensors_metadata_at(const pnb_safetensors *st, size_t i, const char **key, const char **value) {
    const cJSON *item = st->metadata ? st->metadata->child : NULL;
    while (item && i--) item = item->next;
    if (!item) return false;
    *key = item->string;
    *value = item->valuestring;
    return true;
}

typedef enum target { TO_F32, TO_F64, TO_I64, TO_WRITER } target;

static pnb_status read_data(pnb_safetensors *st, const pnb_safetensors_entry *e, target to, void *out) {
    pnb_status status = PNB_OK;
    unsigned char chunk[CHUNK];
    size_t size = pnb_dtype_size(e->dtype);
    if (fseeko(st->file, (off_t)e->offset, SEEK_SET) != 0) {
        return BAD(st, "file '%s': tensor '%.200s': cannot be read: %s", st->path, e->name, strerror(errno));
    }
    for (uint64_t done = 0; status == PNB_OK && done < e->count;) {
        uint64_t left = e->count - done;
        size_t n = left < CHUNK / size ? (size_t)left : CHUNK / size;
        if (fread(chunk, size, n, st->file) != n) {
            return BAD(st, "file '%s': tensor '%.200s': the file ended or failed while it was read", st->path, e->name);
        }
        if (to == TO_F32) pnb_dtype_to_f32(e->dtype, chunk, n, (float *)out + done);
        if (to == TO_F64) pnb_dtype_to_f64(e->dtype, chunk, n, (double *)out + done);
        if (to == TO_I64) pnb_dtype_to_i64(e->dtype, chunk, n, (int64_t *)out + done);
        if (to == TO_WRITER) status = pnb_writer_write(out, chunk, n * size);
        done += n;
    }
    return status;
}

pnb_status pnb_safetensors_read_f32(pnb_safetensors *st, const pnb_safetensors_entry *entry, float *out) {
    return read_data(st, entry, TO_F32, out);
}

pnb_status pnb_safetensors_read_f64(pnb_safetensors *st, const pnb_safetensors_entry *entry, double *out) {
    return read_data(st, entry, TO_F64, out);
}

pnb_status pnb_safetensors_read_i64(pnb_safetensors *st, const pnb_safetensors_entry *entry, int64_t *out) {
    if (!pnb_dtype_is_integer(entry->dtype)) {
        return BAD(st, "file '%s': tensor '%.200s': expected integers, found %s", st->path, entry->name,
                   pnb_dtype_name(entry->dtype));
    }
    return read_data(st, entry, TO_I64, out);
}

pnb_status pnb_safetensors_copy(pnb_safetensors *st, const pnb_safetensors_entry *entry, pnb_file_writer *w) {
    return read_data(st, entry, TO_WRITER, w);
}

pnb_status pnb_safetensors_read_shape_f32(pnb_safetensors *st, const char *name, uint32_t rank, const uint64_t *shape,
                                          float *out) {
    char want[PNB_SHAPE_TEXT_SIZE], have[PNB_SHAPE_TEXT_SIZE];
    const pnb_safetensors_entry *e = pnb_safetensors_find(st, name);
    if (!e) {
        return BAD(st, "file '%s': tensor '%.200s' is missing (expected shape %s)", st->path, name,
                   pnb_shape_to_text(rank, shape, want));
    }
    bool same = e->rank == rank;
    for (uint32_t i = 0; same && i < rank; i++) same = e->shape[i] == shape[i];
    if (!same) {
        return BAD(st, "file '%s': tensor '%.200s': expected shape %s, found %s", st->path, name,
                   pnb_shape_to_text(rank, shape, want), pnb_shape_to_text(e->rank, e->shape, have));
    }
    return pnb_safetensors_read_f32(st, e, out);
}

/* --- writing --- */

static bool add_tensor(cJSON *header, const pnb_safetensors_entry *e, uint64_t begin, uint64_t end) {
    cJSON *j = cJSON_AddObjectToObject(header, e->name);
    if (!j || !cJSON_AddStringToObject(j, "dtype", pnb_dtype_name(e->dtype))) return false;
    cJSON *shape = cJSON_AddArrayToObject(j, "shape"), *range = cJSON_AddArrayToObject(j, "data_offsets");
    if (!shape || !range) return false;
    for (uint32_t i = 0; i < e->rank; i++) {
        if (!cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)e->shape[i]))) return false;
    }
    return cJSON_AddItemToArray(range, cJSON_CreateNumber((double)begin)) &&
           cJSON_AddItemToArray(range, cJSON_CreateNumber((double)end));
}

/* The header as text (owned by cJSON). NULL: no memory. */
static char *make_header(const pnb_safetensors_entry *entries, size_t n, const pnb_safetensors_pair *metadata,
                         size_t n_metadata) {
    char *text = NULL;
    uint64_t begin = 0;
    cJSON *header = cJSON_CreateObject(), *pairs = n_metadata ? cJSON_AddObjectToObject(header, "__metadata__") : NULL;
    if (!header || (n_metadata && !pairs)) goto fail;
    for (size_t i = 0; i < n_metadata; i++) {
        if (!cJSON_AddStringToObject(pairs, metadata[i].key, metadata[i].value)) goto fail;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t count = 0;
        pnb_shape_product(entries[i].rank, entries[i].shape, &count);
        uint64_t end = begin + count * pnb_dtype_size(entries[i].dtype);
        if (!add_tensor(header, &entries[i], begin, end)) goto fail;
        begin = end;
    }
    text = cJSON_PrintUnformatted(header);
fail:
    cJSON_Delete(header);
    return text;
}

static pnb_status check_entries(pnb_error *err, const char *path, const pnb_safetensors_entry *entries, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint64_t count = 0;
        if (!printable(entries[i].name) || strcmp(entries[i].name, "__metadata__") == 0 ||
            entries[i].rank > PNB_ARRAY_MAX_RANK || !pnb_shape_product(entries[i].rank, entries[i].shape, &count) ||
            count > SIZE_MAX / 16) {
            return pnb_fail(err, PNB_ERROR_USAGE,
                            "file '%s': tensor %zu: needs a printable name, rank up to %d and a possible shape", path,
                            i, PNB_ARRAY_MAX_RANK);
        }
    }
    return PNB_OK;
}

static pnb_status write_header(pnb_file_writer *w, const char *header) {
    unsigned char prefix[8];
    size_t length = strlen(header), padding = (8 - length % 8) % 8; /* data are aligned to 8 bytes */
    pnb_put_le64(prefix, length + padding);
    PNB_TRY(pnb_writer_write(w, prefix, sizeof prefix));
    PNB_TRY(pnb_writer_write(w, header, length));
    return pnb_writer_write(w, "        ", padding);
}

pnb_status pnb_safetensors_write_entries(pnb_error *err, const char *path, const pnb_safetensors_entry *entries, size_t n,
                                         const pnb_safetensors_pair *metadata, size_t n_metadata,
                                         pnb_safetensors_emit emit, void *user) {
    PNB_TRY(check_entries(err, path, entries, n));
    char *header = make_header(entries, n, metadata, n_metadata);
    if (!header) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory for its header", path);
    pnb_file_writer w = {0};
    pnb_status status = pnb_writer_open(err, path, &w);
    if (status == PNB_OK) status = write_header(&w, header);
    for (size_t i = 0; i < n && status == PNB_OK; i++) status = emit(user, i, &w);
    if (status == PNB_OK)
        status = pnb_writer_commit(&w);
    else
        pnb_writer_abort(&w);
    cJSON_free(header);
    return status;
}

typedef struct float_items {
    const pnb_safetensors_item *items;
    pnb_dtype dtype;
} float_items;

static pnb_status emit_floats(void *user, size_t i, pnb_file_writer *w) {
    const float_items *f = user;
    uint64_t count = 0;
    pnb_shape_product(f->items[i].rank, f->items[i].shape, &count);
    return pnb_dtype_write_f32(w, f->dtype, f->items[i].data, count);
}

pnb_status pnb_safetensors_write(pnb_error *err, const char *path, pnb_dtype dtype, const pnb_safetensors_item *items,
                                 size_t n, const pnb_safetensors_pair *metadata, size_t n_metadata) {
    if (dtype != PNB_F32 && dtype != PNB_F16) {
        return pnb_fail(err, PNB_ERROR_USAGE, "file '%s': tensors are written as F32 or F16, not %s", path,
                        pnb_dtype_name(dtype));
    }
    pnb_safetensors_entry *entries = calloc(n + 1, sizeof *entries);
    if (!entries) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory for its header", path);
    for (size_t i = 0; i < n; i++) {
        entries[i] = (pnb_safetensors_entry){.name = items[i].name, .dtype = dtype, .rank = items[i].rank};
        memcpy(entries[i].shape, items[i].shape, sizeof entries[i].shape);
    }
    float_items floats = {items, dtype};
    pnb_status status =
        pnb_safetensors_write_entries(err, path, entries, n, metadata, n_metadata, emit_floats, &floats);
    free(entries);
    return status;
}
