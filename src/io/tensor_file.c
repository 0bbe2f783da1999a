/* Named tensors of a file, whatever its format. */
#include "io/tensor_file.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* One of the two is open. */
struct pnb_tensor_file {
    pnb_error *err;
    char *path;
    pnb_safetensors *st;
    pnb_torch *torch;
};

static pnb_status open_as(pnb_error *err, const char *path, bool torch, pnb_tensor_file **out) {
    *out = NULL;
    pnb_tensor_file *f = calloc(1, sizeof *f);
    char *copy = pnb_copy_string(path);
    if (!f || !copy) {
        free(f);
        free(copy);
        return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory to open it", path);
    }
    *f = (pnb_tensor_file){.err = err, .path = copy};
    pnb_status status = torch ? pnb_torch_open(err, path, &f->torch) : pnb_safetensors_open(err, path, &f->st);
    if (status == PNB_OK)
        *out = f;
    else
        pnb_tensor_file_close(f);
    return status;
}

pnb_status pnb_tensor_file_open(pnb_error *err, const char *path, pnb_tensor_file **out) {
    bool named = pnb_ends_with(path, ".pt") || pnb_ends_with(path, ".pth");
    return open_as(err, path, named || pnb_torch_recognise(path), out);
}

pnb_status pnb_tensor_file_open_torch(pnb_error *err, const char *path, pnb_tensor_file **out) {
    return open_as(err, path, true, out);
}

void pnb_tensor_file_close(pnb_tensor_file *f) {
    if (!f) return;
    pnb_safetensors_close(f->st);
    pnb_torch_close(f->torch);
    free(f->path);
    free(f);
}

const char *pnb_tensor_file_path(const pnb_tensor_file *f) {
    return f->path;
}

pnb_torch *pnb_tensor_file_torch(const pnb_tensor_file *f) {
    return f->torch;
}

size_t pnb_tensor_file_count(const pnb_tensor_file *f) {
    return f->torch ? pnb_torch_count(f->torch) : pnb_safetensors_count(f->st);
}

pnb_tensor_entry pnb_tensor_file_at(const pnb_tensor_file *f, size_t i) {
    pnb_tensor_entry e;
    if (f->torch) {
        const pnb_torch_entry *t = pnb_torch_at(f->torch, i);
        e = (pnb_tensor_entry){
            .name = t->name, .dtype = t->dtype, .rank = t->rank, .count = t->count, .bytes = t->bytes};
        memcpy(e.shape, t->shape, sizeof e.shape);
    } else {
        const pnb_safetensors_entry *s = pnb_safetensors_at(f->st, i);
        e = (pnb_tensor_entry){
            .name = s->name, .dtype = s->dtype, .rank = s->rank, .count = s->count, .bytes = s->bytes};
        memcpy(e.shape, s->shape, sizeof e.shape);
    }
    return e;
}

bool pnb_tensor_file_find(const pnb_tensor_file *f, const char *name, size_t *i) {
    for (*i = 0; *i < pnb_tensor_file_count(f); ++*i) {
        if (strcmp(pnb_tensor_file_at(f, *i).name, name) == 0) return true;
    }
    return false;
}

const char *pnb_tensor_file_metadata(const pnb_tensor_file *f, const char *key) {
    return f->torch ? NULL : pnb_safetensors_metadata(f->st, key);
}

bool pnb_tensor_file_metadata_at(const pnb_tensor_file *f, size_t i, const char **key, const char **value) {
    return !f->torch && pnb_safetensors_metadata_at(f->st, i, key, value);
}

pnb_status pnb_tensor_file_read_f32(pnb_tensor_file *f, size_t i, float *out) {
    if (!f->torch) return pnb_safetensors_read_f32(f->st, pnb_safetensors_at(f->st, i), out);
    const pnb_torch_entry *e = pnb_torch_at(f->torch, i);
    const unsigned char *bytes;
    PNB_TRY(pnb_torch_bytes(f->torch, i, &bytes));
    pnb_dtype_to_f32(e->dtype, bytes, (size_t)e->count, out);
    return PNB_OK;
}

pnb_status pnb_tensor_file_copy(pnb_tensor_file *f, size_t i, pnb_file_writer *w) {
    if (!f->torch) return pnb_safetensors_copy(f->st, pnb_safetensors_at(f->st, i), w);
    const unsigned char *bytes;
    PNB_TRY(pnb_torch_bytes(f->torch, i, &bytes));
    return pnb_writer_write(w, bytes, (size_t)pnb_torch_at(f->torch, i)->bytes);
}

pnb_status pnb_tensor_file_read_shape_f32(pnb_tensor_file *f, const char *name, uint32_t rank, const uint64_t *shape,
                                          float *out) {
    char want[PNB_SHAPE_TEXT_SIZE], have[PNB_SHAPE_TEXT_SIZE];
    size_t i;
    if (!f->torch) return pnb_safetensors_read_shape_f32(f->st, name, rank, shape, out);
    if (!pnb_tensor_file_find(f, name, &i))
        return pnb_fail(f->err, PNB_ERROR_MODEL, "file '%s': tensor '%.200s' is missing (expected shape %s)", f->path,
                        name, pnb_shape_to_text(rank, shape, want));
    pnb_tensor_entry e = pnb_tensor_file_at(f, i);
    if (e.rank != rank || memcmp(e.shape, shape, rank * sizeof *shape) != 0)
        return pnb_fail(f->err, PNB_ERROR_MODEL, "file '%s': tensor '%.200s': expected shape %s, found %s", f->path,
                        name, pnb_shape_to_text(rank, shape, want), pnb_shape_to_text(e.rank, e.shape, have));
    return pnb_tensor_file_read_f32(f, i, out);
}

pnb_status pnb_tensor_file_verify(pnb_tensor_file *f) {
    return f->torch ? pnb_torch_verify(f->torch) : PNB_OK;
}
