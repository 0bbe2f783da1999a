/* Stores to a file and back. */
#include "solve/state_file.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_SIZE = 192 };

typedef struct image { /* host copy of everything that changes */
    pnb_safetensors_item *items;
    char (*names)[NAME_SIZE];
    float **data;
    size_t n;
} image;

static void image_free(image *im) {
    for (size_t i = 0; i < im->n; i++) free(im->data[i]);
    free(im->data);
    free(im->names);
    free(im->items);
}

static void set_item(pnb_safetensors_item *item, const pnb_storage *t, const char *name, const float *data) {
    pnb_shape shape = pnb_storage_shape(t);
    *item = (pnb_safetensors_item){.name = name, .rank = shape.rank, .data = data};
    for (uint32_t d = 0; d < shape.rank; d++) item->shape[d] = shape.d[d];
}

static pnb_status no_memory(pnb_error *err) {
    return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "no host memory for a checkpoint");
}

static pnb_status add_tensor(pnb_error *err, pnb_gpu *gpu, const char *prefix, const pnb_storage *t, image *im) {
    uint64_t count = pnb_shape_count(pnb_storage_shape(t));
    float *data = malloc(count * sizeof *data);
    if (!data) return no_memory(err);
    im->data[im->n] = data;
    snprintf(im->names[im->n], NAME_SIZE, "%s/%s", prefix, pnb_storage_name(t));
    set_item(&im->items[im->n], t, im->names[im->n], data);
    im->n++;
    return pnb_storage_read(t, gpu, data, count);
}

static pnb_status image_read(pnb_error *err, pnb_gpu *gpu, const pnb_state_part *parts, size_t n, image *im) {
    size_t room = 1;
    for (size_t i = 0; i < n; i++) room += parts[i].store ? pnb_store_count(parts[i].store) : 0;
    *im = (image){calloc(room, sizeof *im->items), calloc(room, sizeof *im->names), calloc(room, sizeof *im->data), 0};
    if (!im->items || !im->names || !im->data) return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; parts[i].store && j < pnb_store_count(parts[i].store); j++) {
            const pnb_storage *t = pnb_store_at(parts[i].store, j);
            if (pnb_storage_get_kind(t) == PNB_STORAGE_VARIABLE) PNB_TRY(add_tensor(err, gpu, parts[i].prefix, t, im));
        }
    }
    return PNB_OK;
}

pnb_status pnb_state_write(pnb_error *err, pnb_gpu *gpu, const char *path, const pnb_state_part *parts, size_t n,
                           const pnb_safetensors_pair *metadata, size_t n_metadata) {
    image im;
    pnb_status status = image_read(err, gpu, parts, n, &im);
    if (status == PNB_OK) status = pnb_safetensors_write(err, path, PNB_F32, im.items, im.n, metadata, n_metadata);
    image_free(&im);
    return status;
}

static pnb_status read_tensor(pnb_error *err, pnb_gpu *gpu, pnb_safetensors *file, const char *prefix, pnb_storage *t) {
    pnb_shape shape = pnb_storage_shape(t);
    uint64_t count = pnb_shape_count(shape), dims[4] = {shape.d[0], shape.d[1], shape.d[2], shape.d[3]};
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%s/%s", prefix, pnb_storage_name(t));
    float *data = malloc(count * sizeof *data);
    if (!data) return no_memory(err);
    pnb_status status = pnb_safetensors_read_shape_f32(file, name, shape.rank, dims, data);
    if (status == PNB_OK) status = pnb_storage_write(t, gpu, data, count);
    free(data);
    return status;
}

pnb_status pnb_state_read(pnb_error *err, pnb_gpu *gpu, pnb_safetensors *file, const pnb_state_part *parts, size_t n) {
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; parts[i].store && j < pnb_store_count(parts[i].store); j++) {
            pnb_storage *t = pnb_store_at(parts[i].store, j);
            if (pnb_storage_get_kind(t) == PNB_STORAGE_VARIABLE)
                PNB_TRY(read_tensor(err, gpu, file, parts[i].prefix, t));
        }
    }
    return PNB_OK;
}
