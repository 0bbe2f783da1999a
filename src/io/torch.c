/* PyTorch's checkpoints: the meaning of their pickles, and their storages. The pickle itself is read in pickle.c.
 * Formats: torch/serialization.py of PyTorch, whose functions' names stand in the list of globals. */
#include "io/torch.h"

#include "base/str.h"
#include "io/pickle.h"
#include "io/zip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PICKLE_LIMIT = 8 << 20, /* 200 bytes a tensor are usual */
    NAME_LIMIT = 512,
    ROOT_LIMIT = 256,
    DEPTH_LIMIT = 32,
    BYTES_PER_TENSOR = 32, /* of a file, at least: keeps the list in proportion to it */
    MOST_COPIES = 16       /* tensors may share storage; together they are at most so many times the file */
};

static const char *const globals[] = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_tensor",
    "torch._utils _rebuild_parameter",
    "torch Size",
    "torch DoubleStorage",
    "torch FloatStorage",
    "torch HalfStorage",
    "torch BFloat16Storage",
    "torch LongStorage",
    "torch IntStorage",
    "torch ShortStorage",
    "torch CharStorage",
    "torch ByteStorage",
    "torch BoolStorage",
    NULL,
};
/* Places in that list. The storages stand in the order of pnb_dtype. */
enum { ORDERED_DICT, REBUILD_TENSOR_V2, REBUILD_TENSOR, REBUILD_PARAMETER, SIZE, FIRST_STORAGE };

typedef struct storage {
    const unsigned char *key; /* within the pickle */
    uint32_t key_length;
    pnb_dtype dtype;
    uint64_t count, bytes;
    uint64_t place; /* number in the archive, or first byte in the file */
    bool placed;
} storage;

struct pnb_torch {
    pnb_error *err;
    char *path;
    FILE *file;
    pnb_zip *zip; /* NULL: the older format */
    uint64_t file_bytes;
    unsigned char *head; /* what the pickles are in */
    size_t head_bytes;
    pnb_pickle pickle;
    storage *storages; /* sorted by key */
    size_t n_storages;
    pnb_torch_entry *entries;
    size_t count, room;
    unsigned char *loaded; /* a storage */
    size_t loaded_storage; /* n_storages: none */
    unsigned char *gathered;
};

#define BAD(t, ...) pnb_fail((t)->err, PNB_ERROR_MODEL, __VA_ARGS__)

static pnb_status no_memory(pnb_torch *t, uint64_t bytes) {
    return pnb_fail(t->err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory for %llu bytes of it", t->path,
                    (unsigned long long)bytes);
}

/* ---- storages ---------------------------------------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b) {
    const storage *x = a, *y = b;
    int order = memcmp(x->key, y->key, x->key_length < y->key_length ? x->key_length : y->key_length);
    return order ? order : (x->key_length > y->key_length) - (x->key_length < y->key_length);
}

static storage *find_storage(pnb_torch *t, const unsigned char *key, uint32_t length) {
    storage wanted = {.key = key, .key_length = length};
    return bsearch(&wanted, t->storages, t->n_storages, sizeof wanted, compare_keys);
}

/* ('storage', type, key, device, elements[, view]) of a persistent value. */
static pnb_status read_storage(pnb_torch *t, const pnb_pickle_value *persistent, storage *s) {
    const pnb_pickle *p = &t->pickle;
    const pnb_pickle_value *id = pnb_pickle_at(p, persistent->as.at.first), *part[6];
    for (uint32_t i = 0; i < 6; i++) part[i] = pnb_pickle_item(p, id, i);
    if (id->kind != PNB_PICKLE_TUPLE || id->count < 5 || id->count > 6 || !pnb_pickle_is_text(p, part[0], "storage") ||
        part[1]->kind != PNB_PICKLE_GLOBAL || part[1]->global < FIRST_STORAGE || part[2]->kind != PNB_PICKLE_TEXT ||
        part[4]->kind != PNB_PICKLE_INT || part[4]->as.whole < 0)
        return BAD(t, "file '%s': something outside of its pickle is no storage of a known type", t->path);
    if (part[5] && part[5]->kind != PNB_PICKLE_NONE)
        return BAD(t, "file '%s': a storage is a view of another one, which only very old files have: save it anew",
                   t->path);
    *s = (storage){.key = p->bytes + part[2]->as.at.first,
                   .key_length = part[2]->count,
                   .dtype = (pnb_dtype)(part[1]->global - FIRST_STORAGE),
                   .count = (uint64_t)part[4]->as.whole};
    if (s->count > t->file_bytes / pnb_dtype_size(s->dtype))
        return BAD(t, "file '%s': a storage claims %llu elements of %s, the file has %llu bytes (cut short?)", t->path,
                   (unsigned long long)s->count, pnb_dtype_name(s->dtype), (unsigned long long)t->file_bytes);
    s->bytes = s->count * pnb_dtype_size(s->dtype);
    return PNB_OK;
}

/* Sorted, each once. */
static pnb_status settle_storages(pnb_torch *t) {
    size_t kept = 0;
    qsort(t->storages, t->n_storages, sizeof *t->storages, compare_keys);
    for (size_t i = 0; i < t->n_storages; i++) {
        const storage *s = &t->storages[i], *last = kept ? &t->storages[kept - 1] : NULL;
        if (!last || compare_keys(last, s) != 0) {
            t->storages[kept++] = *s;
        } else if (last->dtype != s->dtype || last->count != s->count) {
            return BAD(t, "file '%s': a storage is described twice, and differently", t->path);
        }
    }
    t->n_storages = kept;
    return PNB_OK;
}

static pnb_status list_storages(pnb_torch *t) {
    const pnb_pickle *p = &t->pickle;
    size_t n = 0;
    for (size_t i = 0; i < p->n_values; i++) n += p->values[i].kind == PNB_PICKLE_PERSISTENT;
    t->storages = calloc(n + 1, sizeof *t->storages);
    if (!t->storages) return no_memory(t, (n + 1) * sizeof *t->storages);
    for (size_t i = 0; i < p->n_values; i++) {
        if (p->values[i].kind == PNB_PICKLE_PERSISTENT)
            PNB_TRY(read_storage(t, &p->values[i], &t->storages[t->n_storages++]));
    }
    return settle_storages(t);
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

/* A tuple of whole numbers, from 0 to 2^53; torch.Size(tuple) too. */
static pnb_status read_sizes(pnb_torch *t, const char *name, const pnb_pickle_value *v, uint32_t *rank, uint64_t *out) {
    const pnb_pickle *p = &t->pickle;
    if (v && v->kind == PNB_PICKLE_CALL && v->global == SIZE) v = pnb_pickle_item(p, pnb_pickle_at(p, v->arguments), 0);
    if (!v || v->kind != PNB_PICKLE_TUPLE || v->count > PNB_ARRAY_MAX_RANK)
        return BAD(t, "file '%s': tensor '%s': its shape or strides are no tuple of at most %d numbers", t->path, name,
                   PNB_ARRAY_MAX_RANK);
    *rank = v->count;
    for (uint32_t i = 0; i < v->count; i++) {
        const pnb_pickle_value *item = pnb_pickle_item(p, v, i);
        if (item->kind != PNB_PICKLE_INT || item->as.whole < 0 || item->as.whole > (int64_t)1 << 53)
            return BAD(t, "file '%s': tensor '%s': its shape or strides are no whole numbers of sane size", t->path,
                       name);
        out[i] = (uint64_t)item->as.whole;
    }
    return PNB_OK;
}

/* Every element lies within the storage, and there are not more than the file can hold. */
static pnb_status check_extent(pnb_torch *t, pnb_torch_entry *e) {
    const storage *s = &t->storages[e->storage];
    char text[PNB_SHAPE_TEXT_SIZE];
    uint64_t size = pnb_dtype_size(e->dtype), last = e->offset;
    bool fits = pnb_shape_product(e->rank, e->shape, &e->count) && e->count <= t->file_bytes / size;
    for (uint32_t i = 0; fits && e->count && i < e->rank; i++) {
        if (e->shape[i] > 1 && e->stride[i] > s->count / (e->shape[i] - 1))
            fits = false;
        else
            last += (e->shape[i] - 1) * e->stride[i]; /* each addend <= 2^63 / 8 */
        fits = fits && last < s->count;
    }
    if (!fits || (e->count ? last >= s->count : e->offset > s->count))
        return BAD(t, "file '%s': tensor '%s': shape %s does not fit in its storage of %llu elements", t->path, e->name,
                   pnb_shape_to_text(e->rank, e->shape, text), (unsigned long long)s->count);
    e->bytes = e->count * size;
    return PNB_OK;
}

/* _rebuild_tensor_v2(storage, offset, shape, strides, ...) */
static pnb_status read_tensor(pnb_torch *t, const pnb_pickle_value *call, pnb_torch_entry *e) {
    const pnb_pickle *p = &t->pickle;
    const pnb_pickle_value *arguments = pnb_pickle_at(p, call->arguments), *part[4];
    uint32_t strides = 0;
    storage s;
    for (uint32_t i = 0; i < 4; i++) part[i] = pnb_pickle_item(p, arguments, i);
    if (!part[3] || part[0]->kind != PNB_PICKLE_PERSISTENT || part[1]->kind != PNB_PICKLE_INT || part[1]->as.whole < 0)
        return BAD(t, "file '%s': tensor '%s': expected a storage, an offset, a shape and strides", t->path, e->name);
    PNB_TRY(read_storage(t, part[0], &s));
    e->storage = (size_t)(find_storage(t, s.key, s.key_length) - t->storages);
    e->dtype = s.dtype;
    e->offset = (uint64_t)part[1]->as.whole;
    PNB_TRY(read_sizes(t, e->name, part[2], &e->rank, e->shape));
    PNB_TRY(read_sizes(t, e->name, part[3], &strides, e->stride));
    if (strides != e->rank)
        return BAD(t, "file '%s': tensor '%s': %u dimensions and %u strides", t->path, e->name, e->rank, strides);
    return check_extent(t, e);
}

static pnb_status add_tensor(pnb_torch *t, const char *name, const pnb_pickle_value *call) {
    if (t->count > t->file_bytes / BYTES_PER_TENSOR)
        return BAD(t, "file '%s': more tensors than its %llu bytes can hold", t->path,
                   (unsigned long long)t->file_bytes);
    if (t->count == t->room) {
        size_t room = t->room ? 2 * t->room : 64;
        pnb_torch_entry *grown = realloc(t->entries, room * sizeof *grown);
        if (!grown) return no_memory(t, room * sizeof *grown);
        t->entries = grown;
        t->room = room;
    }
    char *copy = pnb_copy_string(*name ? name : "tensor");
    if (!copy) return no_memory(t, NAME_LIMIT);
    pnb_torch_entry *e = &t->entries[t->count++];
    *e = (pnb_torch_entry){.name = copy};
    return read_tensor(t, call, e);
}

/* ---- from nested dictionaries to names --------------------------------------------------------------------------- */

typedef struct walk {
    pnb_torch *t;
    char name[NAME_LIMIT];
    size_t visits; /* shared values are visited again: bounded */
} walk;

/* Appends ".key"; the caller cuts it off again. */
static pnb_status append_key(walk *w, const pnb_pickle_value *key, size_t at) {
    const unsigned char *text = w->t->pickle.bytes + key->as.at.first;
    size_t dot = at > 0, room = NAME_LIMIT - at - 1;
    if (dot) w->name[at] = '.';
    if (key->kind == PNB_PICKLE_INT) {
        int n = snprintf(w->name + at + dot, NAME_LIMIT - at - dot, "%lld", (long long)key->as.whole);
        if (n > 0 && (size_t)n + dot <= room) return PNB_OK;
    } else if (key->kind == PNB_PICKLE_TEXT) {
        bool plain = key->count + dot <= room && key->count > 0;
        for (uint32_t i = 0; plain && i < key->count; i++) plain = text[i] >= 32 && text[i] < 127;
        if (plain) {
            memcpy(w->name + at + dot, text, key->count);
            w->name[at + dot + key->count] = 0;
            return PNB_OK;
        }
    }
    w->name[at] = 0;
    return BAD(w->t,
               "file '%s': below '%s' a key is no whole number and no text of printable characters, or a name is "
               "longer than %d",
               w->t->path, w->name, NAME_LIMIT);
}

static pnb_status visit(walk *w, const pnb_pickle_value *v, size_t at, int depth);

static pnb_status visit_item(walk *w, const pnb_pickle_value *key, const pnb_pickle_value *item, size_t at, int depth) {
    if (item->kind < PNB_PICKLE_TUPLE || item->kind == PNB_PICKLE_GLOBAL) return PNB_OK; /* a plain value */
    PNB_TRY(append_key(w, key, at));
    PNB_TRY(visit(w, item, at + strlen(w->name + at), depth + 1));
    w->name[at] = 0;
    return PNB_OK;
}

/* Items of a dictionary (key, value, ...) or of a list, which are numbered. */
static pnb_status visit_items(walk *w, const pnb_pickle_value *v, size_t at, int depth) {
    const pnb_pickle *p = &w->t->pickle;
    bool pairs = v->kind == PNB_PICKLE_DICT || v->kind == PNB_PICKLE_CALL;
    uint32_t cell = v->as.at.first;
    for (uint32_t i = 0; i < v->count; i += pairs ? 2 : 1) {
        pnb_pickle_value number = {.kind = PNB_PICKLE_INT, .as.whole = i};
        const pnb_pickle_value *key = pairs ? pnb_pickle_at(p, p->cells[cell].value) : &number;
        if (pairs) cell = p->cells[cell].next;
        PNB_TRY(visit_item(w, key, pnb_pickle_at(p, p->cells[cell].value), at, depth));
        cell = p->cells[cell].next;
    }
    return PNB_OK;
}

/* OrderedDict([[key, value], ...]), as Python 2 wrote it. */
static pnb_status visit_pairs(walk *w, const pnb_pickle_value *call, size_t at, int depth) {
    const pnb_pickle *p = &w->t->pickle;
    const pnb_pickle_value *list = pnb_pickle_item(p, pnb_pickle_at(p, call->arguments), 0);
    bool is_list = !list || list->kind == PNB_PICKLE_LIST;
    uint32_t cell = list && is_list ? list->as.at.first : 0;
    for (uint32_t i = 0; list && is_list && i < list->count; i++, cell = p->cells[cell].next) {
        const pnb_pickle_value *pair = pnb_pickle_at(p, p->cells[cell].value), *value = pnb_pickle_item(p, pair, 1);
        is_list = value && pair->count == 2 && pair->kind != PNB_PICKLE_DICT && pair->kind != PNB_PICKLE_CALL;
        if (is_list) PNB_TRY(visit_item(w, pnb_pickle_item(p, pair, 0), value, at, depth));
    }
    if (is_list) return PNB_OK;
    return BAD(w->t, "file '%s': an ordered dictionary is made of something else than a list of pairs", w->t->path);
}

static pnb_status visit(walk *w, const pnb_pickle_value *v, size_t at, int depth) {
    pnb_torch *t = w->t;
    if (depth > DEPTH_LIMIT)
        return BAD(t, "file '%s': its dictionaries and lists are nested deeper than %d", t->path, DEPTH_LIMIT);
    if (w->visits++ > 2 * t->pickle.n_values)
        return BAD(t, "file '%s': its dictionaries and lists contain one another too often", t->path);
    if (v->kind == PNB_PICKLE_PERSISTENT) return PNB_OK; /* a storage by itself */
    if (v->kind == PNB_PICKLE_CALL && v->global == ORDERED_DICT) PNB_TRY(visit_pairs(w, v, at, depth));
    if (v->kind != PNB_PICKLE_CALL || v->global == ORDERED_DICT) return visit_items(w, v, at, depth);
    if (v->global == REBUILD_TENSOR || v->global == REBUILD_TENSOR_V2) return add_tensor(t, w->name, v);
    if (v->global != REBUILD_PARAMETER) return PNB_OK;
    const pnb_pickle_value *inner = pnb_pickle_item(&t->pickle, pnb_pickle_at(&t->pickle, v->arguments), 0);
    return inner ? visit(w, inner, at, depth + 1) : BAD(t, "file '%s': parameter '%s' has no tensor", t->path, w->name);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static pnb_status check_names(pnb_torch *t) {
    const char **names = malloc((t->count + 1) * sizeof *names);
    pnb_status status = PNB_OK;
    if (!names) return no_memory(t, (t->count + 1) * sizeof *names);
    for (size_t i = 0; i < t->count; i++) names[i] = t->entries[i].name;
    qsort(names, t->count, sizeof *names, compare_names);
    for (size_t i = 1; i < t->count && status == PNB_OK; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            status = BAD(t, "file '%s': tensor '%s' appears twice", t->path, names[i]);
    free(names);
    return status;
}

static pnb_status list_tensors(pnb_torch *t) {
    walk w = {.t = t};
    const pnb_pickle_value *root = pnb_pickle_at(&t->pickle, t->pickle.root);
    uint64_t sum = 0;
    if (root->kind >= PNB_PICKLE_TUPLE && root->kind != PNB_PICKLE_GLOBAL) PNB_TRY(visit(&w, root, 0, 0));
    if (t->count == 0) return BAD(t, "file '%s': there are no tensors in it", t->path);
    for (size_t i = 0; i < t->count; i++) sum += t->entries[i].bytes; /* each at most the file's size, a file has few */
    if (sum / MOST_COPIES > t->file_bytes)
        return BAD(t, "file '%s': its tensors share storage so much that they are %llu bytes, of a file of %llu",
                   t->path, (unsigned long long)sum, (unsigned long long)t->file_bytes);
    return check_names(t);
}

/* ---- the two formats --------------------------------------------------------------------------------------------- */

static pnb_status parse(pnb_torch *t, size_t at, pnb_pickle *out) {
    char where[NAME_LIMIT];
    snprintf(where, sizeof where, "file '%.400s'", t->path);
    return pnb_pickle_parse(t->err, where, t->head + at, t->head_bytes - at, globals, out);
}

/* The folder of the archive that has the pickle, with its '/', "" for none. */
static pnb_status find_root(pnb_torch *t, char *root) {
    size_t found = 0;
    for (uint64_t i = 0; i < pnb_zip_count(t->zip); i++) {
        const char *name = pnb_zip_name(t->zip, i);
        if (!name || !pnb_ends_with(name, "data.pkl")) continue;
        size_t n = strlen(name) - strlen("data.pkl");
        if ((n && name[n - 1] != '/') || n >= ROOT_LIMIT) continue;
        memcpy(root, name, n);
        root[n] = 0;
        found++;
    }
    if (found == 1) return PNB_OK;
    return BAD(t, "file '%s': a zip archive with %zu entries data.pkl, a PyTorch file has one", t->path, found);
}

static pnb_status check_byte_order(pnb_torch *t, const char *root) {
    char name[NAME_LIMIT];
    unsigned char text[8] = {0};
    uint64_t entry, bytes;
    bool there = false;
    snprintf(name, sizeof name, "%sbyteorder", root);
    for (uint64_t i = 0; i < pnb_zip_count(t->zip) && !there; i++) {
        const char *n = pnb_zip_name(t->zip, i);
        there = n && strcmp(n, name) == 0;
    }
    if (!there) return PNB_OK; /* before torch 2 */
    PNB_TRY(pnb_zip_find(t->zip, name, &entry, &bytes));
    if (bytes < sizeof text) PNB_TRY(pnb_zip_read(t->zip, entry, bytes, text));
    return strcmp((char *)text, "little") == 0 ? PNB_OK
                                               : BAD(t, "file '%s': its byte order should be little, found '%s'",
                                                     t->path, bytes < sizeof text ? (char *)text : "?");
}

static pnb_status place_entries(pnb_torch *t, const char *root) {
    char name[NAME_LIMIT];
    for (size_t i = 0; i < t->n_storages; i++) {
        storage *s = &t->storages[i];
        uint64_t bytes;
        snprintf(name, sizeof name, "%sdata/%.*s", root, s->key_length < 64 ? (int)s->key_length : 64,
                 (const char *)s->key);
        PNB_TRY(pnb_zip_find(t->zip, name, &s->place, &bytes));
        if (bytes != s->bytes)
            return BAD(t, "file '%s': storage '%s' should have %llu bytes, found %llu", t->path, name,
                       (unsigned long long)s->bytes, (unsigned long long)bytes);
        s->placed = true;
    }
    return PNB_OK;
}

static pnb_status open_zip(pnb_torch *t) {
    char root[ROOT_LIMIT], name[NAME_LIMIT];
    uint64_t entry, bytes;
    PNB_TRY(pnb_zip_open(t->err, t->path, &t->zip));
    PNB_TRY(find_root(t, root));
    PNB_TRY(check_byte_order(t, root));
    snprintf(name, sizeof name, "%sdata.pkl", root);
    PNB_TRY(pnb_zip_find(t->zip, name, &entry, &bytes));
    if (bytes > PICKLE_LIMIT)
        return BAD(t, "file '%s': its pickle of %llu bytes is beyond the limit of %d", t->path,
                   (unsigned long long)bytes, PICKLE_LIMIT);
    t->head = malloc((size_t)bytes + 1);
    if (!t->head) return no_memory(t, bytes);
    t->head_bytes = (size_t)bytes;
    PNB_TRY(pnb_zip_read(t->zip, entry, bytes, t->head));
    PNB_TRY(parse(t, 0, &t->pickle));
    PNB_TRY(list_storages(t));
    return place_entries(t, root);
}

/* What stands before each storage's data and where: in the order of the list of keys, after the last pickle. */
static pnb_status place_storages(pnb_torch *t, const pnb_pickle *keys, uint64_t at) {
    const pnb_pickle_value *list = pnb_pickle_at(keys, keys->root);
    unsigned char prefix[8];
    if (list->kind != PNB_PICKLE_LIST || list->count != t->n_storages)
        return BAD(t, "file '%s': its list of storages has %u entries, its tensors name %zu", t->path,
                   list->kind == PNB_PICKLE_LIST ? list->count : 0, t->n_storages);
    uint32_t cell = list->as.at.first;
    for (uint32_t i = 0; i < list->count; i++, cell = keys->cells[cell].next) {
        const pnb_pickle_value *key = pnb_pickle_at(keys, keys->cells[cell].value);
        storage *s = key->kind == PNB_PICKLE_TEXT ? find_storage(t, keys->bytes + key->as.at.first, key->count) : NULL;
        if (!s || s->placed) return BAD(t, "file '%s': its list of storages has one that no tensor names", t->path);
        if (fseeko(t->file, (off_t)at, SEEK_SET) != 0 || fread(prefix, 1, sizeof prefix, t->file) != sizeof prefix ||
            t->file_bytes - at - sizeof prefix < s->bytes)
            return BAD(t, "file '%s': storage %u of %u is cut short", t->path, i + 1, list->count);
        if (pnb_le64(prefix) != s->count)
            return BAD(t, "file '%s': storage %u should have %llu elements, found %llu", t->path, i + 1,
                       (unsigned long long)s->count, (unsigned long long)pnb_le64(prefix));
        s->place = at + sizeof prefix;
        s->placed = true;
        at = s->place + s->bytes;
    }
    if (at == t->file_bytes) return PNB_OK;
    return BAD(t, "file '%s': %llu bytes follow its last storage", t->path, (unsigned long long)(t->file_bytes - at));
}

/* The first bytes of every file of the older format: a pickle of this number of ten bytes. */
static const unsigned char magic[] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                      0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

static pnb_status check_system(pnb_torch *t, const pnb_pickle *p) {
    const pnb_pickle_value *root = pnb_pickle_at(p, p->root);
    for (uint32_t i = 0; root->kind == PNB_PICKLE_DICT && i + 1 < root->count; i += 2) {
        const pnb_pickle_value *value = pnb_pickle_item(p, root, i + 1);
        if (pnb_pickle_is_text(p, pnb_pickle_item(p, root, i), "little_endian") && value->kind == PNB_PICKLE_BOOL &&
            value->as.whole)
            return PNB_OK;
    }
    return BAD(t, "file '%s': it was not written by a little-endian machine", t->path);
}

/* Pickles: magic number, protocol 1001, the machine, the object, the storages' keys. Then the storages. */
static pnb_status open_stream(pnb_torch *t) {
    pnb_pickle p;
    size_t at = sizeof magic;
    t->head_bytes = t->file_bytes < PICKLE_LIMIT ? (size_t)t->file_bytes : PICKLE_LIMIT;
    t->head = malloc(t->head_bytes + 1);
    if (!t->head) return no_memory(t, t->head_bytes);
    if (fread(t->head, 1, t->head_bytes, t->file) != t->head_bytes)
        return BAD(t, "file '%s': cannot be read: %s", t->path, strerror(errno));
    for (int i = 0; i < 2; i++) {
        PNB_TRY(parse(t, at, &p));
        const pnb_pickle_value *root = pnb_pickle_at(&p, p.root);
        pnb_status status = PNB_OK;
        if (i == 1)
            status = check_system(t, &p);
        else if (root->kind != PNB_PICKLE_INT || root->as.whole != 1001)
            status = BAD(t, "file '%s': its protocol should be 1001", t->path);
        at += p.used;
        pnb_pickle_finish(&p);
        PNB_TRY(status);
    }
    PNB_TRY(parse(t, at, &t->pickle));
    at += t->pickle.used;
    PNB_TRY(list_storages(t));
    PNB_TRY(parse(t, at, &p));
    pnb_status status = place_storages(t, &p, at + p.used);
    pnb_pickle_finish(&p);
    return status;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static bool is_zip(const unsigned char *start) {
    return memcmp(start, "PK\3\4", 4) == 0;
}

bool pnb_torch_recognise(const char *path) {
    unsigned char start[sizeof magic] = {0};
    FILE *file = fopen(path, "rb");
    size_t n = file ? fread(start, 1, sizeof start, file) : 0;
    if (file) fclose(file);
    return (n >= 4 && is_zip(start)) || (n == sizeof magic && memcmp(start, magic, sizeof magic) == 0);
}

static pnb_status open_file(pnb_torch *t) {
    unsigned char start[sizeof magic] = {0};
    t->file = fopen(t->path, "rb");
    if (!t->file) return pnb_fail(t->err, PNB_ERROR_INPUT, "file '%s': cannot be opened: %s", t->path, strerror(errno));
    off_t end = fseeko(t->file, 0, SEEK_END) == 0 ? ftello(t->file) : -1;
    if (end < 0 || fseeko(t->file, 0, SEEK_SET) != 0)
        return BAD(t, "file '%s': its size cannot be found: %s", t->path, strerror(errno));
    t->file_bytes = (uint64_t)end;
    size_t n = fread(start, 1, sizeof start, t->file);
    rewind(t->file);
    if (n >= 4 && is_zip(start)) return open_zip(t);
    if (n == sizeof magic && memcmp(start, magic, sizeof magic) == 0) return open_stream(t);
    return BAD(
        t,
        "file '%s': not a PyTorch file but %s: torch.save writes a zip archive or, long ago, a stream with a number "
        "of its own in front",
        t->path,
        t->file_bytes == 0 ? "empty"
        : start[0] == 0x80 ? "a bare pickle"
                           : "something else");
}

pnb_status pnb_torch_open(pnb_error *err, const char *path, pnb_torch **out) {
    *out = NULL;
    pnb_torch *t = calloc(1, sizeof *t);
    char *copy = pnb_copy_string(path);
    if (!t || !copy) {
        free(t);
        free(copy);
        return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory to open it", path);
    }
    t->err = err;
    t->path = copy;
    pnb_status status = open_file(t);
    if (status == PNB_OK) status = list_tensors(t);
    t->loaded_storage = t->n_storages;
    if (status == PNB_OK)
        *out = t;
    else
        pnb_torch_close(t);
    return status;
}

void pnb_torch_close(pnb_torch *t) {
    if (!t) return;
    for (size_t i = 0; i < t->count; i++) free((char *)t->entries[i].name);
    if (t->file) fclose(t->file);
    pnb_zip_close(t->zip);
    pnb_pickle_finish(&t->pickle);
    free(t->entries);
    free(t->storages);
    free(t->loaded);
    free(t->gathered);
    free(t->head);
    free(t->path);
    free(t);
}

size_t pnb_torch_count(const pnb_torch *t) {
    return t->count;
}
const pnb_torch_entry *pnb_torch_at(const pnb_torch *t, size_t i) {
    return i < t->count ? &t->entries[i] : NULL;
}

/* ---- data -------------------------------------------------------------------------------------------------------- */

static pnb_status load(pnb_torch *t, size_t i) {
    const storage *s = &t->storages[i];
    if (t->loaded_storage == i) return PNB_OK;
    t->loaded_storage = t->n_storages;
    free(t->loaded);
    t->loaded = malloc((size_t)s->bytes + 1);
    if (!t->loaded) return no_memory(t, s->bytes);
    if (t->zip) {
        PNB_TRY(pnb_zip_read(t->zip, s->place, s->bytes, t->loaded));
    } else if (fseeko(t->file, (off_t)s->place, SEEK_SET) != 0 ||
               fread(t->loaded, 1, (size_t)s->bytes, t->file) != s->bytes) {
        return BAD(t, "file '%s': it ended or failed while a storage was read", t->path);
    }
    t->loaded_storage = i;
    return PNB_OK;
}

static bool back_to_back(const pnb_torch_entry *e) {
    uint64_t stride = 1;
    for (uint32_t i = e->rank; i-- > 0;) {
        if (e->shape[i] != 1 && e->stride[i] != stride) return false;
        stride *= e->shape[i];
    }
    return true;
}

static void gather(const pnb_torch_entry *e, const unsigned char *from, unsigned char *to) {
    size_t size = pnb_dtype_size(e->dtype);
    uint64_t index[PNB_ARRAY_MAX_RANK] = {0}, at = e->offset;
    for (uint64_t k = 0; k < e->count; k++) {
        memcpy(to + k * size, from + at * size, size);
        for (uint32_t i = e->rank; i-- > 0;) {
            at += e->stride[i];
            if (++index[i] < e->shape[i]) break;
            at -= index[i] * e->stride[i];
            index[i] = 0;
        }
    }
}

pnb_status pnb_torch_bytes(pnb_torch *t, size_t i, const unsigned char **bytes) {
    const pnb_torch_entry *e = &t->entries[i];
    PNB_TRY(load(t, e->storage));
    if (e->count == 0 || back_to_back(e)) {
        *bytes = t->loaded + (e->count ? e->offset * pnb_dtype_size(e->dtype) : 0);
        return PNB_OK;
    }
    free(t->gathered);
    t->gathered = malloc((size_t)e->bytes);
    if (!t->gathered) return no_memory(t, e->bytes);
    gather(e, t->loaded, t->gathered);
    *bytes = t->gathered;
    return PNB_OK;
}

pnb_status pnb_torch_verify(pnb_torch *t) {
    for (size_t i = 0; i < t->n_storages; i++) PNB_TRY(load(t, i));
    return PNB_OK;
}
