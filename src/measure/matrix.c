/* matrix: y = F x with a dense F of [m, D], D the elements of the image; for toys and small problems. */
#include "io/json.h"
#include "io/npy.h"
#include "measure/operator_type.h"
#include "measure/pseudo_inverse.h"
#include "ops/ops.h"

#include <cjson/cJSON.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Above this shorter side the singular values take too long on the host: no pseudo-inverse, a plain bound of the norm. */
enum { MAX_SVD_SIDE = 256 };
/* Entries are floats, so smaller singular values are rounding. */
static const double RCOND = 1e-6;

static const pnb_operator_key keys[] = {{"matrix", "rows of numbers [[..], ..], or the path of an .npy of shape [m, D]", false}};

/* ---- where the numbers come from -------------------------------------------------------------------------------- */

enum { MAX_NUMBERS = 1 << 22 }; /* in a JSON document; files may be larger */

static pnb_status from_json(pnb_operator *op, const cJSON *args, uint32_t *rows, float **values) {
    pnb_json json = pnb_json_root(op->err, "operator matrix", args);
    uint64_t shape[PNB_ARRAY_MAX_RANK], width = pnb_shape_count(op->image);
    uint32_t rank;
    double *numbers;
    PNB_TRY(pnb_json_numbers(&json, "matrix", MAX_NUMBERS, &rank, shape, &numbers));
    if (rank != 2 || shape[0] == 0 || shape[1] != width) {
        char text[PNB_SHAPE_TEXT_SIZE];
        free(numbers);
        return pnb_fail(op->err, PNB_ERROR_INPUT, "operator matrix: 'matrix' is %s, expected rows of %llu numbers",
                        pnb_shape_to_text(rank, shape, text), (unsigned long long)width);
    }
    *rows = (uint32_t)shape[0];
    *values = malloc(shape[0] * width * sizeof **values);
    for (uint64_t i = 0; *values && i < shape[0] * width; i++) (*values)[i] = (float)numbers[i];
    free(numbers);
    return *values ? PNB_OK : pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator matrix: no host memory");
}

static pnb_status from_file(pnb_operator *op, const char *path, uint32_t *rows, float **values) {
    pnb_array file = {0};
    PNB_TRY(pnb_npy_read(op->err, path, &file));
    uint64_t width = pnb_shape_count(op->image);
    if (file.rank != 2 || file.shape[1] != width || file.shape[0] < 1 || file.shape[0] > UINT32_MAX) {
        char text[PNB_SHAPE_TEXT_SIZE];
        pnb_fail(op->err, PNB_ERROR_INPUT, "operator matrix: file '%s' is %s, expected [m, %llu]", path,
                 pnb_shape_to_text(file.rank, file.shape, text), (unsigned long long)width);
        pnb_array_free(&file);
        return PNB_ERROR_INPUT;
    }
    *rows = (uint32_t)file.shape[0];
    *values = malloc(file.count * sizeof **values);
    if (*values) memcpy(*values, file.data, file.count * sizeof **values);
    pnb_array_free(&file);
    return *values ? PNB_OK : pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator matrix: no host memory");
}

/* Fills values (malloc'd) and keeps what was given for run.json. */
static pnb_status read_matrix(pnb_operator *op, const cJSON *args, const char *base_dir, uint32_t *rows, float **values) {
    const cJSON *matrix = cJSON_GetObjectItemCaseSensitive(args, "matrix");
    if (cJSON_IsString(matrix)) {
        char *path;
        PNB_TRY(pnb_operator_path(op, args, "matrix", base_dir, &path));
        pnb_status status = from_file(op, path, rows, values);
        free(path);
        return status;
    }
    PNB_TRY(from_json(op, args, rows, values));
    cJSON *copy = cJSON_Duplicate(matrix, true);
    if (copy && cJSON_AddItemToObject(op->keys, "matrix", copy)) return PNB_OK;
    cJSON_Delete(copy);
    return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator matrix: no host memory");
}

/* ---- norm and pseudo-inverse ------------------------------------------------------------------------------------ */

/* ||F|| <= sqrt(largest row sum * largest column sum) and <= the Frobenius norm. */
static double norm_bound(uint32_t rows, uint32_t cols, const float *a) {
    double square = 0, row_max = 0, column_max = 0;
    for (uint32_t i = 0; i < rows; i++) {
        double sum = 0;
        for (uint32_t j = 0; j < cols; j++) {
            double v = fabs((double)a[(size_t)i * cols + j]);
            sum += v;
            square += v * v;
        }
        row_max = fmax(row_max, sum);
    }
    for (uint32_t j = 0; j < cols; j++) {
        double sum = 0;
        for (uint32_t i = 0; i < rows; i++) sum += fabs((double)a[(size_t)i * cols + j]);
        column_max = fmax(column_max, sum);
    }
    return fmin(sqrt(square), sqrt(row_max * column_max));
}

enum { MATRIX, INVERSE, LEFT, RIGHT, SINGULAR };

/* The pseudo-inverse and the singular value decomposition, as constants. */
static pnb_status decompose(pnb_operator *op, uint32_t rows, uint32_t cols, const float *a) {
    size_t n = rows < cols ? rows : cols, count = (size_t)rows * cols;
    double *wide = malloc((2 * count + n * (rows + cols + (size_t)1)) * sizeof *wide);
    if (!wide) return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator matrix: no host memory");
    double *inverse = wide + count, *left = inverse + count, *right = left + n * rows, *s = right + n * cols, largest;
    for (size_t i = 0; i < count; i++) wide[i] = a[i];
    pnb_svd(rows, cols, wide, left, s, right);
    pnb_svd_inverse(rows, cols, left, s, right, RCOND, inverse, &largest);
    op->norm = largest * (1 + 1e-12);
    pnb_status status = pnb_operator_add_narrowed(op, "inverse", pnb_shape2(cols, rows), inverse);
    if (status == PNB_OK) status = pnb_operator_add_narrowed(op, "left", pnb_shape2((uint32_t)n, rows), left);
    if (status == PNB_OK) status = pnb_operator_add_narrowed(op, "right", pnb_shape2((uint32_t)n, cols), right);
    if (status == PNB_OK) status = pnb_operator_add_narrowed(op, "singular", pnb_shape1((uint32_t)n), s);
    free(wide);
    if (status != PNB_OK) return status;
    op->spectrum = op->constants[SINGULAR].values;
    op->spectrum_count = (uint32_t)n;
    return PNB_OK;
}

static pnb_status create(pnb_operator *op, const cJSON *args, const char *base_dir) {
    uint32_t rows = 0, cols = (uint32_t)pnb_shape_count(op->image);
    float *values = NULL;
    pnb_status status = read_matrix(op, args, base_dir, &rows, &values);
    for (size_t i = 0; status == PNB_OK && i < (size_t)rows * cols; i++) {
        if (isfinite(values[i])) continue;
        status = pnb_fail(op->err, PNB_ERROR_INPUT, "operator matrix: row %u, column %u is not finite", (unsigned)(i / cols),
                          (unsigned)(i % cols));
    }
    if (status != PNB_OK) {
        free(values);
        return status;
    }
    op->measurement = pnb_shape1(rows);
    op->norm = norm_bound(rows, cols, values);
    PNB_TRY(pnb_operator_add_constant(op, "matrix", pnb_shape2(rows, cols), values));
    op->has_pinv = (rows < cols ? rows : cols) <= MAX_SVD_SIDE;
    return op->has_pinv ? decompose(op, rows, cols, values) : PNB_OK;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------ */

static pnb_status to_image(pnb_operator *op, pnb_graph *g, pnb_tensor flat, pnb_tensor *x) {
    pnb_shape i = op->image;
    if (i.rank == 1) {
        *x = flat;
        return PNB_OK;
    }
    return pnb_graph_reshape(g, flat, pnb_shape4(pnb_graph_shape(g, flat).d[0], i.d[0], i.d[1], i.d[2]), x);
}

static pnb_status product(pnb_operator *op, pnb_graph *g, uint32_t constant, pnb_tensor x, pnb_tensor *y) {
    pnb_tensor m;
    PNB_TRY(pnb_operator_bind(op, g, constant, &m));
    return pnb_linear(g, x, m, PNB_NONE, y);
}

static pnb_status transposed(pnb_operator *op, pnb_graph *g, uint32_t constant, pnb_tensor y, pnb_tensor *x) {
    pnb_tensor m, flat;
    PNB_TRY(pnb_operator_bind(op, g, constant, &m));
    PNB_TRY(pnb_matmul(g, y, m, false, false, 1, &flat));
    return to_image(op, g, flat, x);
}

static pnb_status flatten(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *flat) {
    *flat = x;
    if (op->image.rank == 1) return PNB_OK;
    return pnb_graph_reshape(g, x, pnb_shape2(pnb_graph_shape(g, x).d[0], (uint32_t)pnb_shape_count(op->image)), flat);
}

static pnb_status apply(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    PNB_TRY(flatten(op, g, x, &x));
    return product(op, g, MATRIX, x, y);
}

static pnb_status adjoint(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    return transposed(op, g, MATRIX, y, x);
}

static pnb_status pinv(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    PNB_TRY(product(op, g, INVERSE, y, x));
    return to_image(op, g, *x, x);
}

static pnb_status to_right(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *c) {
    PNB_TRY(flatten(op, g, x, &x));
    return product(op, g, RIGHT, x, c);
}

static pnb_status to_left(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *c) {
    return product(op, g, LEFT, y, c);
}

static pnb_status from_right(pnb_operator *op, pnb_graph *g, pnb_tensor c, pnb_tensor *x) {
    return transposed(op, g, RIGHT, c, x);
}

const pnb_operator_type pnb_operator_matrix = {
    .doc = {.type = "matrix", .summary = "a dense matrix", .keys = keys, .n_keys = 1},
    .linear = true,
    .create = create,
    .apply = apply,
    .adjoint = adjoint,
    .pinv = pinv,
    .to_right = to_right,
    .to_left = to_left,
    .from_right = from_right,
};
