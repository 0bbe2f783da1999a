/* Reading training images. What a file is, the table of readers says; a new format is one more row. */
#include "train/images.h"

#include "base/file.h"
#include "base/str.h"
#include "io/fits.h"
#include "io/idx.h"
#include "io/image.h"
#include "io/npy.h"
#include "io/tiff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEEPEST_FOLDER = 8 };
static const double SLACK = 0.01; /* by which an array may leave [-1,1] */

typedef struct reading {
    pnb_error *err;
    const pnb_images_params *params;
    pnb_images *out;
} reading;

/* ---- what was read ----------------------------------------------------------------------------------------------- */

static pnb_status no_memory(pnb_error *err, uint64_t n) {
    return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "data: the host has no memory for %llu images",
                    (unsigned long long)n);
}

static uint64_t elements(const pnb_images *im) {
    return (uint64_t)im->channels * im->size * im->size;
}

static pnb_status make_room(pnb_error *err, pnb_images *im, uint64_t n) {
    if (n <= im->room) return PNB_OK;
    uint64_t room = 2 * im->room > n ? 2 * im->room : n;
    if (room > SIZE_MAX / (elements(im) * sizeof *im->data)) return no_memory(err, n);
    float *grown = realloc(im->data, (size_t)(room * elements(im)) * sizeof *grown);
    if (!grown) return no_memory(err, n);
    im->data = grown;
    im->room = room;
    return PNB_OK;
}

/* One image in [-1,1]. */
static pnb_status take(reading *r, const float *chw, uint32_t height, uint32_t width, bool pad) {
    pnb_images *im = r->out;
    PNB_TRY(make_room(r->err, im, im->n + 1));
    float *to = im->data + im->n * elements(im);
    PNB_TRY(pnb_image_fit(r->err, chw, im->channels, height, width, pad, im->size, to));
    im->n++;
    return PNB_OK;
}

void pnb_images_free(pnb_images *im) {
    if (!im) return;
    free(im->data);
    memset(im, 0, sizeof *im);
}

pnb_status pnb_images_hold_out(pnb_error *err, pnb_images *from, uint64_t count, pnb_images *held) {
    uint64_t n = from->n, size = elements(from), kept = 0;
    *held = (pnb_images){.channels = from->channels, .size = from->size};
    if (count >= n)
        return pnb_fail(err, PNB_ERROR_INPUT, "data: %llu images, of which %llu cannot be held out for validation",
                        (unsigned long long)n, (unsigned long long)count);
    PNB_TRY(make_room(err, held, count));
    for (uint64_t i = 0; i < n; i++) {
        const float *image = from->data + i * size;
        bool out = held->n < count && i >= (2 * held->n + 1) * n / (2 * count);
        float *to = out ? held->data + held->n++ * size : from->data + kept++ * size;
        if (to != image) memcpy(to, image, (size_t)size * sizeof *to);
    }
    from->n = kept;
    return PNB_OK;
}

/* ---- to one size ------------------------------------------------------------------------------------------------- */

/* What of a line of n values makes value i of m: `count` of them from `first`, with weights of sum 1. */
typedef struct share {
    uint32_t first, count;
    double weight[2]; /* of the first and the last; those between them have weight `inner` */
    double inner;
} share;

static share share_of(uint32_t i, uint32_t n, uint32_t m) {
    double scale = (double)n / m;
    if (n <= m) { /* on the line between two pixels */
        double at = fmin(fmax((i + 0.5) * scale - 0.5, 0), n - 1);
        uint32_t first = (uint32_t)at;
        if (first + 1 >= n) return (share){n - 1, 1, {1, 0}, 0};
        return (share){first, 2, {1 - (at - first), at - first}, 0};
    }
    double begin = i * scale, end = fmin(begin + scale, n);
    uint32_t first = (uint32_t)begin, last = (uint32_t)ceil(end) - 1;
    if (last <= first) return (share){first, 1, {1, 0}, 0};
    return (share){first, last - first + 1, {(first + 1 - begin) / scale, (end - last) / scale}, 1 / scale};
}

static double shared(const share *s, const float *line, uint32_t stride) {
    double sum = 0;
    for (uint32_t k = 0; k < s->count; k++) {
        double weight = k == 0 ? s->weight[0] : k + 1 == s->count ? s->weight[1] : s->inner;
        sum += weight * (double)line[(size_t)(s->first + k) * stride];
    }
    return sum;
}

/* The square of side n at (top, left) of planes [height,width], resampled to side m; scratch [n,m]. */
static void resample(const float *from, uint32_t width, uint32_t top, uint32_t left, uint32_t n, uint32_t m,
                     float *scratch, float *to) {
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < m; j++) {
            share s = share_of(j, n, m);
            scratch[(size_t)i * m + j] = (float)shared(&s, from + (size_t)(top + i) * width + left, 1);
        }
    for (uint32_t i = 0; i < m; i++) {
        share s = share_of(i, n, m);
        for (uint32_t j = 0; j < m; j++) to[(size_t)i * m + j] = (float)shared(&s, scratch + j, m);
    }
}

static void pad_plane(const float *from, uint32_t height, uint32_t width, uint32_t size, float *to) {
    for (uint32_t i = 0; i < size; i++)
        for (uint32_t j = 0; j < size; j++) {
            int64_t row = (int64_t)i - ((int64_t)size - height) / 2, column = (int64_t)j - ((int64_t)size - width) / 2;
            bool inside = row >= 0 && row < height && column >= 0 && column < width;
            to[(size_t)i * size + j] = inside ? from[(size_t)row * width + (size_t)column] : -1;
        }
}

pnb_status pnb_image_fit(pnb_error *err, const float *from, uint32_t channels, uint32_t height, uint32_t width,
                         bool pad, uint32_t size, float *to) {
    size_t plane = (size_t)size * size, given = (size_t)height * width;
    if (height == size && width == size) {
        memcpy(to, from, channels * plane * sizeof *to);
        return PNB_OK;
    }
    uint32_t side = height < width ? height : width;
    float *scratch = pad ? NULL : malloc((size_t)side * size * sizeof *scratch);
    if (!pad && !scratch) return no_memory(err, 1);
    for (uint32_t c = 0; c < channels; c++) {
        if (pad)
            pad_plane(from + c * given, height, width, size, to + c * plane);
        else
            resample(from + c * given, width, (height - side) / 2, (width - side) / 2, side, size, scratch,
                     to + c * plane);
    }
    free(scratch);
    return PNB_OK;
}

/* ---- readers of one file ----------------------------------------------------------------------------------------- */

static pnb_status read_picture(reading *r, const char *path) {
    pnb_array a;
    uint32_t channels = r->out->channels;
    if (channels != 1 && channels != 3)
        return pnb_fail(r->err, PNB_ERROR_INPUT, "'%s': a picture has 1 or 3 channels, %u are asked for", path,
                        channels);
    PNB_TRY(pnb_image_read(r->err, path, channels, &a));
    for (uint64_t i = 0; i < a.count; i++) a.data[i] = 2 * a.data[i] - 1;
    pnb_status status = take(r, a.data, (uint32_t)a.shape[1], (uint32_t)a.shape[2], r->params->fit == PNB_FIT_PAD);
    pnb_array_free(&a);
    return status;
}

static pnb_status read_idx(reading *r, const char *path) {
    pnb_idx idx;
    PNB_TRY(pnb_idx_read(r->err, path, &idx));
    pnb_status status = PNB_OK;
    float *one = NULL;
    if (idx.rank != 3 || idx.count == 0 || r->out->channels != 1) {
        status = pnb_fail(r->err, PNB_ERROR_INPUT,
                          "'%s': expected grey images [N,H,W] and 1 channel, found %u dimensions and %u channels", path,
                          idx.rank, r->out->channels);
    } else {
        one = malloc((size_t)(idx.shape[1] * idx.shape[2]) * sizeof *one);
        if (!one) status = no_memory(r->err, 1);
    }
    for (uint64_t i = 0; status == PNB_OK && i < idx.shape[0]; i++) {
        uint64_t count = idx.shape[1] * idx.shape[2];
        for (uint64_t k = 0; k < count; k++) one[k] = (float)idx.data[i * count + k] / 127.5f - 1;
        status = take(r, one, (uint32_t)idx.shape[1], (uint32_t)idx.shape[2], r->params->fit != PNB_FIT_RESIZE);
    }
    free(one);
    pnb_idx_free(&idx);
    return status;
}

static pnb_status check_stack(reading *r, const char *path, const pnb_array *a) {
    char text[PNB_SHAPE_TEXT_SIZE];
    uint64_t channels = a->rank == 4 ? a->shape[1] : 1;
    bool fits = (a->rank == 3 || a->rank == 4) && a->count > 0 && channels == r->out->channels;
    for (uint32_t d = 0; d < a->rank && fits; d++) fits = d == 0 || a->shape[d] <= PNB_IMAGE_MAX_SIDE;
    if (fits) return PNB_OK;
    pnb_shape_to_text(a->rank, a->shape, text);
    return pnb_fail(r->err, PNB_ERROR_INPUT, "'%s': expected images [N,H,W] or [N,C,H,W] with %u channels, found %s",
                    path, r->out->channels, text);
}

/* To [-1,1]: by the range that was given, else they must lie there. */
static pnb_status map_values(reading *r, const char *path, pnb_array *a) {
    const pnb_images_params *p = r->params;
    double low = INFINITY, high = -INFINITY;
    for (uint64_t i = 0; i < a->count; i++) {
        double v = (double)a->data[i];
        if (!isfinite(v))
            return pnb_fail(r->err, PNB_ERROR_INPUT, "'%s': element %llu is not finite", path, (unsigned long long)i);
        if (p->has_range) v = (v - p->low) / (p->high - p->low) * 2 - 1;
        low = fmin(low, v);
        high = fmax(high, v);
        a->data[i] = (float)v;
    }
    if (low >= -1 - SLACK && high <= 1 + SLACK) return PNB_OK;
    if (p->has_range)
        return pnb_fail(r->err, PNB_ERROR_INPUT,
                        "'%s': values from %g to %g lie outside of the range %g to %g that was given", path,
                        p->low + (low + 1) / 2 * (p->high - p->low), p->low + (high + 1) / 2 * (p->high - p->low),
                        p->low, p->high);
    return pnb_fail(
        r->err, PNB_ERROR_INPUT,
        "'%s': values from %g to %g; a prior works in -1 to 1: give the range that becomes this (--range LOW,HIGH)",
        path, low, high);
}

/* [H,W] is a stack of one. */
static void make_stack(pnb_array *a) {
    if (a->rank != 2) return;
    a->rank = 3;
    a->shape[2] = a->shape[1];
    a->shape[1] = a->shape[0];
    a->shape[0] = 1;
}

/* Images of an array, which is freed; mapped: they lie in [-1,1]. */
static pnb_status take_stack(reading *r, const char *path, pnb_array a, bool mapped) {
    pnb_status status = check_stack(r, path, &a);
    if (status == PNB_OK && !mapped) status = map_values(r, path, &a);
    if (status == PNB_OK) status = make_room(r->err, r->out, r->out->n + a.shape[0]);
    for (uint64_t i = 0; status == PNB_OK && i < a.shape[0]; i++) {
        uint32_t height = (uint32_t)a.shape[a.rank - 2], width = (uint32_t)a.shape[a.rank - 1];
        status = take(r, a.data + i * (a.count / a.shape[0]), height, width, r->params->fit == PNB_FIT_PAD);
    }
    pnb_array_free(&a);
    return status;
}

static pnb_status read_npy(reading *r, const char *path) {
    pnb_array a;
    PNB_TRY(pnb_npy_read(r->err, path, &a));
    return take_stack(r, path, a, false);
}

/* One image or planes, each an image. */
static pnb_status read_fits(reading *r, const char *path) {
    pnb_array a;
    PNB_TRY(pnb_fits_read_image(r->err, path, &a, NULL));
    make_stack(&a);
    return take_stack(r, path, a, false);
}

/* Integers are mapped from all that they can be, unless a range is given; floats as arrays are. */
static pnb_status read_tiff(reading *r, const char *path) {
    pnb_array a;
    pnb_tiff_info info;
    PNB_TRY(pnb_tiff_read(r->err, path, &info, &a));
    bool mapped = info.integer && !r->params->has_range;
    for (uint64_t i = 0; mapped && i < a.count; i++)
        a.data[i] = (float)(2 * ((double)a.data[i] - info.least) / (info.largest - info.least) - 1);
    return take_stack(r, path, a, mapped);
}

static const struct reader {
    const char *endings[4]; /* of names, in small letters */
    bool in_folders;        /* files of a folder, or only where it is named */
    pnb_status (*read)(reading *r, const char *path);
} readers[] = {
    {{".png", ".jpg", ".jpeg"}, true, read_picture},
    {{".tif", ".tiff"}, true, read_tiff},
    {{".fits", ".fit"}, true, read_fits},
    {{".npy"}, false, read_npy},
    {{".idx", ".idx.gz", "-ubyte", "-ubyte.gz"}, false, read_idx},
};
static const char formats[] = "PNG, JPEG, TIFF, FITS, NPY or IDX";

static const struct reader *reader_of(const char *path) {
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        for (int k = 0; k < 4 && readers[i].endings[k]; k++) {
            size_t m = strlen(readers[i].endings[k]);
            if (n >= m && strcasecmp(path + n - m, readers[i].endings[k]) == 0) return &readers[i];
        }
    return NULL;
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

static pnb_status read_folder(reading *r, const char *path, int depth) {
    char **names = NULL;
    size_t n = 0;
    PNB_TRY(pnb_names_in_folder(r->err, path, &names, &n));
    pnb_status status = PNB_OK;
    for (size_t i = 0; i < n && status == PNB_OK; i++) {
        char *inner = pnb_path_join(path, names[i]);
        const struct reader *reader = inner ? reader_of(inner) : NULL;
        if (!inner)
            status = no_memory(r->err, 1);
        else if (pnb_is_folder(inner))
            status = depth < DEEPEST_FOLDER ? read_folder(r, inner, depth + 1) : PNB_OK;
        else if (reader && reader->in_folders)
            status = reader->read(r, inner);
        free(inner);
    }
    pnb_names_free(names, n);
    return status;
}

pnb_status pnb_images_read(pnb_error *err, const char *path, const pnb_images_params *params, pnb_images *out) {
    *out = (pnb_images){.channels = params->channels, .size = params->size};
    reading r = {err, params, out};
    const struct reader *reader = reader_of(path);
    pnb_status status;
    if (!pnb_file_exists(path))
        status = pnb_fail(err, PNB_ERROR_INPUT, "'%s': there is no such file or folder", path);
    else if (pnb_is_folder(path))
        status = read_folder(&r, path, 0);
    else if (reader)
        status = reader->read(&r, path);
    else
        status =
            pnb_fail(err, PNB_ERROR_INPUT, "'%s': expected a folder of pictures, or a file of type %s", path, formats);
    if (status == PNB_OK && out->n == 0)
        status = pnb_fail(err, PNB_ERROR_INPUT, "'%s': there are no images in it (PNG, JPEG, TIFF or FITS)", path);
    if (status != PNB_OK) pnb_images_free(out);
    return status;
}
