/* mask_box, mask and mask_random: pixels that were seen and pixels that were not (inpainting).
 *
 * A = diag(M), M in {0,1}, and A = A^T = A^+: y keeps the size of x, with zeros where nothing was seen. All share one
 * graph op, which picks and does not multiply (a NaN in a hidden place stays hidden). */
#include "base/philox.h"
#include "base/str.h"
#include "io/array.h"
#include "measure/mask.h"
#include "measure/operator_type.h"
#include "ops/emit.h"

#include <cjson/cJSON.h>

#include <stdlib.h>

/* ---- the op: y = pick(x, mask) ---------------------------------------------------------------------------------- */

static const pnb_op op_mask;

static pnb_status pick(pnb_graph *g, pnb_tensor x, pnb_tensor mask, pnb_tensor *y) {
    pnb_shape shape = pnb_graph_shape(g, x);
    pnb_tensor in[2] = {x, mask};
    return pnb_graph_add(g, &op_mask, in, 2, 0, NULL, 0, &shape, 1, y, 1);
}

static pnb_status vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    return pick(g, gout[0], node->in[1], &gin[0]);
}

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    pnb_push_mask push = {.count = pnb_emit_count(l, node->in[0]), .inner = pnb_emit_count(l, node->in[1])};
    bool vec4 = push.inner % 4 == 0;
    bool texel = vec4 && pnb_emit_texel(l, node->in[0]) && pnb_emit_texel(l, node->in[1]);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "measure/mask.texel" : "measure/mask", "mask");
    pnb_emit_read(&d, node->in[0], texel);
    pnb_emit_read(&d, node->in[1], texel);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, vec4 ? push.count / 4 : push.count);
    d.gbyte = 8e-9 * push.count;
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_mask = {.name = "mask", .vjp = vjp, .lower = lower, .inplace = 1};

static pnb_status apply(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    pnb_tensor mask;
    PNB_TRY(pnb_operator_bind(op, g, 0, &mask));
    return pick(g, x, mask, y);
}

/* Hands the mask (malloc'd, elements of the image, 0 or 1) to the operator. */
static pnb_status use_mask(pnb_operator *op, float *mask) {
    PNB_TRY(pnb_operator_add_constant(op, "mask", op->image, mask));
    uint64_t count = pnb_shape_count(op->image);
    op->measured = mask;
    op->singular = 1;
    for (uint64_t i = 0; i < count; i++) op->measured_count += mask[i] != 0;
    if (op->measured_count) return PNB_OK;
    return pnb_fail(op->err, PNB_ERROR_INPUT, "operator %s: the mask hides every pixel, nothing is measured", op->type->doc.type);
}

/* ---- mask_box --------------------------------------------------------------------------------------------------- */

typedef struct box_options {
    int32_t top, left, height, width;
} box_options;

static const pnb_option box_table[] = {
    {"top", PNB_OPTION_INT, offsetof(box_options, top), -1, -1, 65535, NULL, "pixels", "first hidden row; -1: the box is centred"},
    {"left", PNB_OPTION_INT, offsetof(box_options, left), -1, -1, 65535, NULL, "pixels",
     "first hidden column; -1: the box is centred"},
    {"height", PNB_OPTION_INT, offsetof(box_options, height), 0, 0, 65535, NULL, "pixels", "hidden rows; 0: half of the image"},
    {"width", PNB_OPTION_INT, offsetof(box_options, width), 0, 0, 65535, NULL, "pixels", "hidden columns; 0: half of the image"},
};

static pnb_status create_box(pnb_operator *op, const cJSON *args, const char *base_dir) {
    (void)args, (void)base_dir;
    PNB_TRY(pnb_operator_need_image(op));
    box_options *box = op->options;
    uint32_t planes = op->image.d[0], h = op->image.d[1], w = op->image.d[2];
    if (box->height == 0) box->height = (int32_t)(h / 2);
    if (box->width == 0) box->width = (int32_t)(w / 2);
    if (box->top < 0) box->top = ((int32_t)h - box->height) / 2;
    if (box->left < 0) box->left = ((int32_t)w - box->width) / 2;
    if (box->top < 0 || box->left < 0 || box->top + box->height > (int32_t)h || box->left + box->width > (int32_t)w) {
        return pnb_fail(op->err, PNB_ERROR_INPUT,
                        "operator mask_box: the box of %d x %d pixels at row %d, column %d leaves the image of %u x %u pixels",
                        (int)box->height, (int)box->width, (int)box->top, (int)box->left, h, w);
    }
    float *mask = malloc(pnb_shape_count(op->image) * sizeof *mask);
    for (uint32_t c = 0, at = 0; mask && c < planes; c++) {
        for (uint32_t i = 0; i < h; i++) {
            bool row = i >= (uint32_t)box->top && i < (uint32_t)(box->top + box->height);
            for (uint32_t j = 0; j < w; j++) {
                mask[at++] = row && j >= (uint32_t)box->left && j < (uint32_t)(box->left + box->width) ? 0.0f : 1.0f;
            }
        }
    }
    return use_mask(op, mask);
}

const pnb_operator_type pnb_operator_mask_box = {
    .doc = {.type = "mask_box",
            .summary = "all but a hidden box (inpainting)",
            .table = {box_table, sizeof box_table / sizeof box_table[0], sizeof(box_options)}},
    .linear = true,
    .create = create_box,
    .apply = apply,
    .adjoint = apply,
    .pinv = apply,
};

/* ---- mask: from a file ------------------------------------------------------------------------------------------ */

static const pnb_operator_key file_keys[] = {
    {"file", "path of a PNG (light: kept) or .npy (1: kept, 0: hidden) of the image's size, one plane or all channels",
     false},
};

/* Whether the file's shape, leading ones aside, is the image's or, for [C,H,W], that of one plane. */
static bool fits(pnb_shape image, const pnb_array *file) {
    uint64_t count = pnb_shape_count(image), plane = image.rank == 3 ? (uint64_t)image.d[1] * image.d[2] : count;
    if (file->rank == 0 || (file->count != count && file->count != plane)) return false;
    uint32_t least = image.rank < 3 ? 1 : file->count == plane ? 2 : 3;
    for (uint32_t i = 0; i < file->rank; i++) {
        uint64_t size = file->shape[file->rank - 1 - i];
        if (size != (i < least ? image.d[image.rank - 1 - i] : 1)) return false;
    }
    return file->rank >= least;
}

static pnb_status spread(pnb_operator *op, const char *path, const pnb_array *file, float **out) {
    if (!fits(op->image, file)) {
        char found[PNB_SHAPE_TEXT_SIZE], expected[48];
        return pnb_fail(op->err, PNB_ERROR_INPUT, "operator mask: file '%s' is %s, the image is %s", path,
                        pnb_shape_to_text(file->rank, file->shape, found), pnb_shape_text(op->image, expected));
    }
    uint64_t count = pnb_shape_count(op->image);
    float *mask = malloc(count * sizeof *mask);
    for (uint64_t i = 0; mask && i < count; i++) mask[i] = file->data[i % file->count] > 0.5f ? 1.0f : 0.0f;
    *out = mask;
    return PNB_OK;
}

static pnb_status load(pnb_operator *op, const char *path, float **out) {
    pnb_array file = {0};
    PNB_TRY(pnb_operator_read(op, path, &file));
    bool npy = pnb_ends_with(path, ".npy");
    for (uint64_t i = 0; npy && i < file.count; i++) {
        if (file.data[i] == 0 || file.data[i] == 1) continue;
        pnb_fail(op->err, PNB_ERROR_INPUT, "operator mask: file '%s' holds %g at element %llu, a mask holds 0 and 1 only", path,
                 (double)file.data[i], (unsigned long long)i);
        pnb_array_free(&file);
        return PNB_ERROR_INPUT;
    }
    pnb_status status = spread(op, path, &file, out);
    pnb_array_free(&file);
    return status;
}

static pnb_status create_file(pnb_operator *op, const cJSON *args, const char *base_dir) {
    char *path;
    float *mask = NULL;
    PNB_TRY(pnb_operator_path(op, args, "file", base_dir, &path));
    pnb_status status = load(op, path, &mask);
    free(path);
    return status == PNB_OK ? use_mask(op, mask) : status;
}

const pnb_operator_type pnb_operator_mask = {
    .doc = {.type = "mask", .summary = "the pixels that a mask keeps (inpainting)", .keys = file_keys, .n_keys = 1},
    .linear = true,
    .create = create_file,
    .apply = apply,
    .adjoint = apply,
    .pinv = apply,
};

/* ---- mask_random: a fraction of the pixels, scattered ----------------------------------------------------------- */

typedef struct random_options {
    double fraction;
    int32_t seed;
} random_options;

static const pnb_option random_table[] = {
    {"fraction", PNB_OPTION_REAL, offsetof(random_options, fraction), 0.7, 0, 1, NULL, "", "hidden part of the pixels"},
    {"seed", PNB_OPTION_INT, offsetof(random_options, seed), 0, 0, 2147483647, NULL, "", "which pixels"},
};

/* Fisher-Yates with Philox: the first `hidden` entries of a shuffled list, so their number is exact. */
static void hide(float *plane, uint32_t *order, uint32_t count, uint32_t hidden, uint64_t seed) {
    for (uint32_t i = 0; i < count; i++) {
        order[i] = i;
        plane[i] = 1;
    }
    for (uint32_t i = 0; i < hidden; i++) {
        uint32_t counter[4] = {i, 0, 0, 0}, key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, words[4];
        pnb_philox(counter, key, words);
        uint32_t j = i + (uint32_t)(((uint64_t)words[0] * (count - i)) >> 32), kept = order[j];
        order[j] = order[i];
        plane[kept] = 0;
    }
}

static pnb_status create_random(pnb_operator *op, const cJSON *args, const char *base_dir) {
    (void)args, (void)base_dir;
    const random_options *o = op->options;
    uint64_t count = pnb_shape_count(op->image);
    uint32_t plane = op->image.rank == 3 ? op->image.d[1] * op->image.d[2] : op->image.d[0];
    float *mask = malloc(count * sizeof *mask);
    uint32_t *order = malloc(plane * sizeof *order);
    if (!mask || !order) {
        free(mask);
        free(order);
        return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator mask_random: no host memory");
    }
    hide(mask, order, plane, (uint32_t)(o->fraction * plane + 0.5), (uint64_t)o->seed);
    for (uint64_t i = plane; i < count; i++) mask[i] = mask[i - plane];
    free(order);
    return use_mask(op, mask);
}

const pnb_operator_type pnb_operator_mask_random = {
    .doc = {.type = "mask_random",
            .summary = "all but a random part of the pixels, the same in every channel (inpainting)",
            .table = {random_table, sizeof random_table / sizeof random_table[0], sizeof(random_options)}},
    .linear = true,
    .create = create_random,
    .apply = apply,
    .adjoint = apply,
    .pinv = apply,
};
