/* Arrays and images of the caller, from and to files. */
#include "api/files.h"
#include "io/fits.h"
#include "io/image.h"
#include "io/npy.h"
#include "io/tiff.h"
#include "train/images.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool has_ending(const char *path, const char *ending) { /* any case */
    size_t n = strlen(path), m = strlen(ending);
    return n >= m && strcasecmp(path + n - m, ending) == 0;
}

/* What a file is by its first bytes, whatever its name. */
static bool begins_with(const char *path, const char *magic, size_t bytes) {
    unsigned char start[8] = {0};
    FILE *file = fopen(path, "rb");
    size_t n = file ? fread(start, 1, sizeof start, file) : 0;
    if (file) fclose(file);
    return n >= bytes && memcmp(start, magic, bytes) == 0;
}

static bool is_tiff(const char *path) {
    return begins_with(path, "II*\0", 4) || begins_with(path, "MM\0*", 4) || begins_with(path, "II+\0", 4) ||
           begins_with(path, "MM\0+", 4) || has_ending(path, ".tif") || has_ending(path, ".tiff");
}

static void map_values(pnb_array *a, double black, double white) {
    for (uint64_t i = 0; i < a->count; i++) a->data[i] = (float)(2 * ((double)a->data[i] - black) / (white - black) - 1);
}

/* One page of [N,C,H,W] as [C,H,W]. */
static pnb_status choose_page(pnb_error *err, const char *path, const pnb_value_map *map, pnb_array *a) {
    uint64_t pages = a->shape[0], one = a->count / pages;
    if (map->has_page && map->page >= pages)
        return pnb_fail(err, PNB_ERROR_INPUT, "'%s': page %u: there are %llu, counted from 0", path, map->page, (unsigned long long)pages);
    if (!map->has_page && pages > 1) return PNB_OK;
    if (map->has_page && map->page > 0) memmove(a->data, a->data + map->page * one, one * sizeof *a->data);
    a->rank = 3;
    a->count = one;
    for (int i = 0; i < 3; i++) a->shape[i] = a->shape[i + 1];
    return PNB_OK;
}

static pnb_status read_tiff(pnb_error *err, const char *path, uint32_t channels, pnb_value_map *map, pnb_array *out, bool *is_image) {
    pnb_tiff_info info;
    PNB_TRY(pnb_tiff_read(err, path, &info, out));
    pnb_status status = choose_page(err, path, map, out);
    map->tiff = true;
    memcpy(map->pixel_nm, info.pixel_nm, sizeof map->pixel_nm);
    if (!map->has_range && info.integer) {
        map->black = info.least;
        map->white = info.largest;
    }
    *is_image = info.integer;
    if (status == PNB_OK && (map->has_range || info.integer)) map_values(out, map->black, map->white);
    if (status == PNB_OK && channels && out->rank == 3) status = pnb_image_set_channels(err, out, channels);
    if (status != PNB_OK) pnb_array_free(out);
    return status;
}

static pnb_status read_array(pnb_error *err, const char *path, bool fits, const pnb_value_map *map, pnb_array *out) {
    if (map->has_page) return pnb_fail(err, PNB_ERROR_INPUT, "'%s': only a TIFF has pages", path);
    PNB_TRY(fits ? pnb_fits_read_image(err, path, out, NULL) : pnb_npy_read(err, path, out));
    if (map->has_range) map_values(out, map->black, map->white);
    return PNB_OK;
}

pnb_status pnb_values_read_mapped(pnb_error *err, const char *path, uint32_t channels, pnb_value_map *map, pnb_array *out, bool *is_image) {
    *out = (pnb_array){0};
    *is_image = false;
    if (!map->has_range) {
        map->black = -1;
        map->white = 1;
    }
    if (!pnb_file_exists(path)) return pnb_fail(err, PNB_ERROR_INPUT, "'%s': there is no such file", path);
    if (begins_with(path, "\x93NUMPY", 6) || has_ending(path, ".npy")) return read_array(err, path, false, map, out);
    if (begins_with(path, "SIMPLE", 6)) return read_array(err, path, true, map, out);
    if (is_tiff(path)) return read_tiff(err, path, channels, map, out, is_image);
    *is_image = begins_with(path, "\x89PNG", 4) || begins_with(path, "\xff\xd8\xff", 3) || has_ending(path, ".png") ||
                has_ending(path, ".jpg") || has_ending(path, ".jpeg");
    if (!*is_image) return pnb_fail(err, PNB_ERROR_INPUT, "'%s': expected a file in NPY, FITS, TIFF, PNG or JPEG format", path);
    if (map->has_range || map->has_page)
        return pnb_fail(err, PNB_ERROR_INPUT, "'%s': black, white and page are for TIFF, NPY and FITS; a PNG or JPEG is mapped whole",
                        path);
    PNB_TRY(pnb_image_read(err, path, channels, out));
    map_values(out, 0, 1);
    return PNB_OK;
}

pnb_status pnb_values_read(pnb_error *err, const char *path, uint32_t channels, pnb_array *out, bool *is_image) {
    pnb_value_map map = {0};
    return pnb_values_read_mapped(err, path, channels, &map, out, is_image);
}

pnb_status pnb_values_write_tiff(pnb_error *err, const char *path, uint32_t n, uint32_t channels, uint32_t height, uint32_t width,
                                 const float *data, const pnb_value_map *map, bool deviations) {
    size_t count = (size_t)n * channels * height * width;
    double half = 0.5 * (map->white - map->black);
    float *numbers = malloc(count * sizeof *numbers);
    if (!numbers) return pnb_no_memory(err, path);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (float)(deviations ? half * (double)data[i] : map->black + half * ((double)data[i] + 1));
    pnb_status status = pnb_tiff_write(err, path, n, channels, height, width, numbers, map->pixel_nm);
    free(numbers);
    return status;
}

static pnb_status read_dataset(pnb_context *ctx, const char *path, const pnb_images_params *params, uint32_t n, pnb_ndarray *out) {
    pnb_images all = {0}, some = {0};
    pnb_status status = pnb_images_read(&ctx->error, path, params, &all);
    if (status == PNB_OK && n > 0 && n < all.n) status = pnb_images_hold_out(&ctx->error, &all, n, &some);
    pnb_images *from = some.n ? &some : &all;
    if (status == PNB_OK && from->n > UINT32_MAX)
        status = pnb_fail(&ctx->error, PNB_ERROR_INPUT, "'%s': more than %u images; take fewer", path, UINT32_MAX);
    if (status == PNB_OK) {
        out->data = from->data;
        out->extent = (pnb_extent){.rank = 4, .size = {(uint32_t)from->n, from->channels, from->size, from->size}};
        out->is_image = 1;
        from->data = NULL;
    }
    pnb_images_free(&all);
    pnb_images_free(&some);
    return status;
}

pnb_status pnb_dataset_read(pnb_context *ctx, const char *path, uint32_t channels, uint32_t size, uint32_t n, pnb_ndarray *out) {
    if (!ctx) return PNB_ERROR_USAGE;
    if (!path || !out || channels == 0 || size == 0)
        return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_dataset_read: needs a path, channels, a size and out");
    memset(out, 0, sizeof *out);
    return read_dataset(ctx, path, &(pnb_images_params){.channels = channels, .size = size}, n, out);
}

pnb_status pnb_ndarray_read(pnb_context *ctx, const char *path, uint32_t channels, pnb_ndarray *out) {
    if (!ctx) return PNB_ERROR_USAGE;
    if (!path || !out || (channels != 0 && channels != 1 && channels != 3)) {
        return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_ndarray_read: needs a path, out, and 0, 1 or 3 channels");
    }
    memset(out, 0, sizeof *out);
    pnb_array a;
    bool is_image;
    PNB_TRY(pnb_values_read(&ctx->error, path, channels, &a, &is_image));
    bool fits = a.rank >= 1 && a.rank <= PNB_MAX_RANK && a.count > 0;
    for (uint32_t i = 0; fits && i < a.rank; i++) fits = a.shape[i] <= UINT32_MAX;
    if (!fits) {
        char text[PNB_SHAPE_TEXT_SIZE];
        pnb_shape_to_text(a.rank, a.shape, text);
        pnb_array_free(&a);
        return pnb_fail(&ctx->error, PNB_ERROR_INPUT, "'%s': shape %s: expected rank 1 to %d and no empty dimension",
                        path, text, PNB_MAX_RANK);
    }
    for (uint64_t i = 0; i < a.count; i++) {
        if (isfinite(a.data[i])) continue;
        pnb_array_free(&a);
        return pnb_fail(&ctx->error, PNB_ERROR_INPUT, "'%s': element %llu is not finite", path, (unsigned long long)i);
    }
    out->data = a.data;
    out->extent.rank = a.rank;
    for (uint32_t i = 0; i < a.rank; i++) out->extent.size[i] = (uint32_t)a.shape[i];
    out->is_image = is_image;
    return PNB_OK;
}

void pnb_ndarray_clear(pnb_ndarray *array) {
    if (!array) return;
    free(array->data);
    memset(array, 0, sizeof *array);
}

pnb_status pnb_values_write_png(pnb_error *err, const char *path, const float *data, uint32_t channels, uint32_t height,
                                uint32_t width) {
    size_t count = (size_t)channels * height * width;
    float *unit = malloc(count * sizeof *unit);
    if (!unit) return pnb_no_memory(err, path);
    for (size_t i = 0; i < count; i++) unit[i] = 0.5f * (data[i] + 1);
    pnb_status status = pnb_image_write_png(err, path, channels, height, width, unit);
    free(unit);
    return status;
}

pnb_status pnb_ndarray_write(pnb_context *ctx, const char *path, const float *data, const pnb_extent *extent) {
    if (!ctx) return PNB_ERROR_USAGE;
    uint64_t count = pnb_extent_count(extent);
    if (!path || !data || !extent || extent->rank < 1 || count == 0) {
        return pnb_fail(&ctx->error, PNB_ERROR_USAGE,
                        "pnb_ndarray_write: needs a path, data and an extent without zeros");
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!isfinite(data[i])) {
            return pnb_fail(&ctx->error, PNB_ERROR_NUMERIC, "'%s': not written: element %llu is not finite", path,
                            (unsigned long long)i);
        }
    }
    const uint32_t *d = extent->size;
    uint32_t skip = extent->rank == 4 ? 1 : 0, colours = extent->rank == 2 ? 1 : d[skip];
    if (has_ending(path, ".tif") || has_ending(path, ".tiff")) {
        if (extent->rank < 2 || (colours != 1 && colours != 3))
            return pnb_fail(&ctx->error, PNB_ERROR_USAGE,
                            "'%s': a TIFF takes images [H,W], [C,H,W] or [N,C,H,W] with 1 or 3 channels; use .npy", path);
        return pnb_tiff_write(&ctx->error, path, skip ? d[0] : 1, colours, d[extent->rank - 2], d[extent->rank - 1], data, NULL);
    }
    if (!has_ending(path, ".png")) {
        uint64_t shape[PNB_MAX_RANK];
        for (uint32_t i = 0; i < extent->rank; i++) shape[i] = d[i];
        return pnb_npy_write(&ctx->error, path, extent->rank, shape, data);
    }
    if (extent->rank == 2) return pnb_values_write_png(&ctx->error, path, data, 1, d[0], d[1]);
    if (extent->rank == 3 && (d[0] == 1 || d[0] == 3))
        return pnb_values_write_png(&ctx->error, path, data, d[0], d[1], d[2]);
    return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "'%s': a PNG takes one image [H,W], [1,H,W] or [3,H,W]; use .npy",
                    path);
}
