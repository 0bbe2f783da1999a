/* custom: the user's own linear operator, a pair of compute shaders (apply and adjoint) or functions of the application.
 *
 * Bindings (set 0): 0 what is read, 1 what is written, 2 the numbers of "data", where it is given; all float arrays. Push
 * constants: struct push below. One invocation an element that is written, of
 *     i = gl_GlobalInvocationID.x + gl_GlobalInvocationID.y * gl_NumWorkGroups.x * gl_WorkGroupSize.x
 * where i < n * to_count; the local size is specialisation constant 0. Every such element must be written, from image i / to_count.
 * Before anything is made with a pair, it is tried on the device: A(x + z) = A x + A z and <A x, u> = <x, A^T u>. */
#include "measure/custom.h"

#include "base/hash.h"
#include "base/philox.h"
#include "io/array.h"
#include "io/json.h"
#include "io/npy.h"
#include "io/spirv.h"
#include "measure/operator_type.h"
#include "measure/sparse.h"
#include "ops/emit.h"
#include "ops/ops.h"

#include <cjson/cJSON.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { APPLY, ADJOINT, MAX_ENTRIES = 1 << 26 };
static const double TOLERANCE = 1e-4; /* of what rounding in float explains, and sums of thousands of terms */

typedef struct push {
    uint32_t n;                       /* images or measurements in the batch */
    uint32_t from_count, to_count;    /* elements of one, of what is read and of what is written */
    uint32_t channels, height, width; /* of the image; vectors: 1, 1, D */
} push;

struct pnb_custom {
    uint32_t *code[2]; /* owned; NULL where functions were given */
    size_t bytes[2];
    char name[2][40];  /* of the kernels: they say what the code is */
    push image;        /* the part of push that does not change */
    bool has_data;
    uint32_t matrix;   /* functions: the first constant of the sparse matrix, of A^T */
};

typedef struct custom_options {
    double norm;
} custom_options;

void pnb_custom_destroy(struct pnb_custom **custom) {
    if (!custom || !*custom) return;
    for (int i = 0; i < 2; i++) free((*custom)->code[i]);
    free(*custom);
    *custom = NULL;
}

uint64_t pnb_custom_hash(const struct pnb_custom *c, uint64_t hash) {
    for (int i = 0; i < 2; i++) hash = pnb_hash(hash, c->name[i], strlen(c->name[i]));
    return hash;
}

/* ---- the op ------------------------------------------------------------------------------------------------------ */

typedef struct attributes {
    const struct pnb_custom *custom; /* borrowed: the operator outlives its graphs */
    uint32_t direction, from_count, to_count;
    pnb_shape from; /* of the input, for the derivative */
} attributes;

static const pnb_op op_custom;

static pnb_status add_node(pnb_graph *g, attributes a, pnb_tensor from, pnb_tensor data, pnb_shape to, pnb_tensor *out) {
    pnb_tensor in[2] = {from, data};
    return pnb_graph_add(g, &op_custom, in, data == PNB_NONE ? 1 : 2, 0, &a, sizeof a, &to, 1, out, 1);
}

/* The derivative of either direction is the other. */
static pnb_status vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    attributes a;
    memcpy(&a, node->attr, sizeof a);
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    attributes back = {a.custom, !a.direction, a.to_count, a.from_count, pnb_graph_shape(g, gout[0])};
    return add_node(g, back, gout[0], node->n_in > 1 ? node->in[1] : PNB_NONE, a.from, &gin[0]);
}

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    attributes a;
    memcpy(&a, node->attr, sizeof a);
    push p = a.custom->image;
    p.from_count = a.from_count;
    p.to_count = a.to_count;
    p.n = pnb_emit_count(l, node->out[0]) / a.to_count;
    pnb_dispatch d = pnb_emit_begin(l, a.custom->name[a.direction], a.direction == APPLY ? "custom" : "custom_adjoint");
    d.code = a.custom->code[a.direction];
    d.code_bytes = a.custom->bytes[a.direction];
    pnb_emit_read(&d, node->in[0], false);
    pnb_emit_write(&d, node->out[0]);
    if (node->n_in > 1) pnb_emit_read(&d, node->in[1], false);
    pnb_emit_push(&d, &p, sizeof p);
    pnb_groups_1d(pnb_lower_caps(l), (uint64_t)p.n * p.to_count, d.spec[0], d.groups);
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_custom = {.name = "custom", .vjp = vjp, .lower = lower};

static pnb_status run_pair(pnb_operator *op, pnb_graph *g, uint32_t direction, pnb_tensor from, pnb_tensor *to) {
    const pnb_shape one = direction == APPLY ? op->measurement : op->image;
    uint32_t n = pnb_graph_shape(g, from).d[0], m = (uint32_t)pnb_shape_count(op->measurement), d = (uint32_t)pnb_shape_count(op->image);
    pnb_shape shape = one.rank == 1 ? pnb_shape2(n, one.d[0]) : pnb_shape4(n, one.d[0], one.d[1], one.d[2]);
    pnb_tensor data = PNB_NONE;
    if (!op->custom->code[0]) { /* the matrix is A^T */
        pnb_tensor flat;
        PNB_TRY(pnb_graph_reshape(g, from, pnb_shape2(n, direction == APPLY ? d : m), &flat));
        if (direction == APPLY) PNB_TRY(pnb_sparse_adjoint(op, g, op->custom->matrix, flat, m, to));
        else PNB_TRY(pnb_sparse_apply(op, g, op->custom->matrix, flat, d, d, to));
        return pnb_graph_reshape(g, *to, shape, to);
    }
    if (op->custom->has_data) PNB_TRY(pnb_operator_bind(op, g, 0, &data));
    attributes a = {op->custom, direction, direction == APPLY ? d : m, direction == APPLY ? m : d, pnb_graph_shape(g, from)};
    return add_node(g, a, from, data, shape, to);
}

static pnb_status apply(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    return run_pair(op, g, APPLY, x, y);
}

static pnb_status adjoint(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    return run_pair(op, g, ADJOINT, y, x);
}

/* ---- the trial --------------------------------------------------------------------------------------------------- */

static double dot(const float *a, const float *b, uint64_t n) {
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) sum += (double)a[i] * b[i];
    return sum;
}

static double size_of(const float *a, uint64_t n) {
    return sqrt(dot(a, a, n));
}

/* ax [3,m] of x, z and x + z; atu [3,d] of u. */
static pnb_status judge(pnb_error *err, const char *what, uint64_t d, uint64_t m, const float *x, const float *u, const float *ax,
                        const float *atu) {
    double size = size_of(ax, m) + size_of(ax + m, m), error = 0;
    for (uint64_t i = 0; i < m; i++) error += pow((double)ax[2 * m + i] - ax[i] - ax[m + i], 2);
    if (!isfinite(size) || !isfinite(size_of(atu, 3 * d)))
        return pnb_fail(err, PNB_ERROR_INPUT, "operator custom: %s gives numbers that are not finite (is every element written?)", what);
    if (!(sqrt(error) <= TOLERANCE * size))
        return pnb_fail(err, PNB_ERROR_INPUT,
                        "operator custom: %s is not linear: A(x + z) and A x + A z differ by %.3g of their size (allowed %g)", what,
                        sqrt(error) / size, TOLERANCE);
    for (int s = 0; s < 3; s++) {
        double left = dot(ax + s * m, u + s * m, m), right = dot(x + s * d, atu + s * d, d);
        double scale = fmax(size_of(ax + s * m, m) * size_of(u + s * m, m), size_of(x + s * d, d) * size_of(atu + s * d, d));
        if (!(fabs(left - right) <= TOLERANCE * scale))
            return pnb_fail(
                err, PNB_ERROR_INPUT,
                "operator custom: %s: the adjoint is wrong: <A x, u> = %.6g and <x, A^T u> = %.6g of random x and u differ by %.3g "
                "of |A x||u| (allowed %g)",
                what, left, right, fabs(left - right) / scale, TOLERANCE);
    }
    return PNB_OK;
}

/* Programs for the trial: A of x [3,image] and A^T of u, and A^T A of one image for the norm. */
typedef struct trial {
    pnb_store *store;
    pnb_storage *x, *u, *v;
    pnb_graph *both, *square;
    pnb_program *both_program, *square_program;
    pnb_tensor ax, atu, next;
} trial;

static pnb_shape batch_of(uint32_t n, pnb_shape s) {
    return s.rank == 1 ? pnb_shape2(n, s.d[0]) : pnb_shape4(n, s.d[0], s.d[1], s.d[2]);
}

static pnb_status build_trial(pnb_operator *op, pnb_gpu *gpu, trial *t) {
    pnb_tensor x, u, y;
    PNB_TRY(pnb_store_create(op->err, "trial", &t->store));
    PNB_TRY(pnb_store_add(t->store, "x", batch_of(3, op->image), PNB_STORAGE_VARIABLE, &t->x));
    PNB_TRY(pnb_store_add(t->store, "u", batch_of(3, op->measurement), PNB_STORAGE_VARIABLE, &t->u));
    PNB_TRY(pnb_store_add(t->store, "v", batch_of(1, op->image), PNB_STORAGE_VARIABLE, &t->v));
    PNB_TRY(pnb_store_commit(t->store, gpu));
    PNB_TRY(pnb_graph_create(op->err, gpu, "trial", &t->both));
    PNB_TRY(pnb_graph_bind(t->both, t->x, &x));
    PNB_TRY(pnb_graph_bind(t->both, t->u, &u));
    PNB_TRY(apply(op, t->both, x, &t->ax));
    PNB_TRY(adjoint(op, t->both, u, &t->atu));
    PNB_TRY(pnb_graph_output(t->both, t->ax));
    PNB_TRY(pnb_graph_output(t->both, t->atu));
    PNB_TRY(pnb_program_create(t->both, gpu, NULL, &t->both_program));
    PNB_TRY(pnb_graph_create(op->err, gpu, "norm", &t->square));
    PNB_TRY(pnb_graph_bind(t->square, t->v, &x));
    PNB_TRY(apply(op, t->square, x, &y));
    PNB_TRY(adjoint(op, t->square, y, &t->next));
    PNB_TRY(pnb_graph_output(t->square, t->next));
    return pnb_program_create(t->square, gpu, NULL, &t->square_program);
}

/* The largest singular value by the power method; a little is added for what 30 rounds leave. */
static pnb_status find_norm(pnb_operator *op, pnb_gpu *gpu, trial *t, float *v) {
    uint64_t d = pnb_shape_count(op->image);
    double squared = 0;
    for (int round = 0; round < 30; round++) {
        double size = size_of(v, d);
        if (!(size > 0)) break;
        for (uint64_t i = 0; i < d; i++) v[i] = (float)(v[i] / size);
        PNB_TRY(pnb_storage_write(t->v, gpu, v, d));
        PNB_TRY(pnb_program_run(t->square_program));
        PNB_TRY(pnb_program_read(t->square_program, t->next, v, d));
        squared = size_of(v, d);
    }
    op->norm = 1.05 * sqrt(squared);
    if (op->norm > 0) return PNB_OK;
    return pnb_fail(op->err, PNB_ERROR_INPUT, "operator custom: it makes nothing of anything: A is 0");
}

static pnb_status try_out(pnb_operator *op, pnb_gpu *gpu, trial *t, float *x, float *u, float *ax, float *atu) {
    uint64_t d = pnb_shape_count(op->image), m = pnb_shape_count(op->measurement);
    PNB_TRY(build_trial(op, gpu, t));
    pnb_fill_normal(17, 1, 0, 0, x, 2 * d);
    pnb_fill_normal(17, 2, 0, 0, u, 3 * m);
    for (uint64_t i = 0; i < d; i++) x[2 * d + i] = x[i] + x[d + i];
    PNB_TRY(pnb_storage_write(t->x, gpu, x, 3 * d));
    PNB_TRY(pnb_storage_write(t->u, gpu, u, 3 * m));
    PNB_TRY(pnb_program_run(t->both_program));
    PNB_TRY(pnb_program_read(t->both_program, t->ax, ax, 3 * m));
    PNB_TRY(pnb_program_read(t->both_program, t->atu, atu, 3 * d));
    PNB_TRY(judge(op->err, "the pair of shaders", d, m, x, u, ax, atu));
    return ((custom_options *)op->options)->norm > 0 ? PNB_OK : find_norm(op, gpu, t, x);
}

static pnb_status commit(pnb_operator *op, pnb_gpu *gpu) {
    uint64_t d = pnb_shape_count(op->image), m = pnb_shape_count(op->measurement);
    trial t = {0};
    if (!op->custom->code[0]) return PNB_OK; /* functions were tried when they were called */
    float *all = malloc(6 * (d + m) * sizeof *all);
    if (!all) return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator custom: no host memory");
    pnb_status status = try_out(op, gpu, &t, all, all + 3 * d, all + 3 * (d + m), all + 3 * d + 6 * m);
    pnb_program_destroy(&t.both_program);
    pnb_program_destroy(&t.square_program);
    pnb_graph_destroy(&t.both);
    pnb_graph_destroy(&t.square);
    pnb_store_destroy(&t.store, gpu);
    free(all);
    return status;
}

/* ---- from shaders ------------------------------------------------------------------------------------------------ */

static pnb_status read_shape(pnb_operator *op, const cJSON *args) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(args, "shape");
    int rank = cJSON_GetArraySize(list);
    double count = 1;
    if (!list) return PNB_OK;
    pnb_shape s = {(uint32_t)(rank == 2 ? 3 : rank), {1, 1, 1, 1}};
    bool good = cJSON_IsArray(list) && rank >= 1 && rank <= 3;
    for (int i = 0; good && i < rank; i++) {
        double v = cJSON_GetArrayItem(list, i)->valuedouble;
        good = cJSON_IsNumber(cJSON_GetArrayItem(list, i)) && v >= 1 && v <= 1 << 24 && v == floor(v);
        s.d[i + (rank == 2)] = good ? (uint32_t)v : 1;
        count *= v;
    }
    if (!good || count > 1 << 28)
        return pnb_fail(op->err, PNB_ERROR_INPUT, "operator custom: 'shape' must be [m], [height, width] or [channels, height, width]");
    op->measurement = s;
    cJSON *copy = cJSON_Duplicate(list, true);
    if (copy && cJSON_AddItemToObject(op->keys, "shape", copy)) return PNB_OK;
    cJSON_Delete(copy);
    return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator custom: no host memory");
}

static pnb_status read_data(pnb_operator *op, const cJSON *args, const char *base_dir) {
    char *path;
    pnb_array a = {0};
    PNB_TRY(pnb_operator_path(op, args, "data", base_dir, &path));
    if (!path) return PNB_OK;
    pnb_status status = pnb_npy_read(op->err, path, &a);
    if (status == PNB_OK && (a.count == 0 || a.count > 1 << 28))
        status = pnb_fail(op->err, PNB_ERROR_INPUT, "operator custom: '%s' has %" PRIu64 " numbers, expected 1 to 2^28", path, a.count);
    if (status == PNB_OK) {
        op->custom->has_data = true;
        status = pnb_operator_add_constant(op, "data", pnb_shape1((uint32_t)a.count), a.data);
        a.data = NULL;
    }
    pnb_array_free(&a);
    free(path);
    return status;
}

static pnb_status read_shader(pnb_operator *op, const cJSON *args, const char *base_dir, int direction) {
    const char *key = direction == APPLY ? "apply" : "adjoint";
    struct pnb_custom *c = op->custom;
    pnb_spirv_limits limits = {c->has_data ? 3 : 2, sizeof(push)};
    char *path;
    PNB_TRY(pnb_operator_path(op, args, key, base_dir, &path));
    if (!path)
        return pnb_fail(op->err, PNB_ERROR_INPUT,
                        "operator custom: '%s' is missing: the path of a shader (GLSL or SPIR-V); operators made of "
                        "functions are made anew by their application",
                        key);
    pnb_status status = pnb_spirv_read(op->err, path, limits, &c->code[direction], &c->bytes[direction]);
    free(path);
    PNB_TRY(status);
    uint64_t hash = pnb_hash(PNB_HASH_START, c->code[direction], c->bytes[direction]);
    snprintf(c->name[direction], sizeof c->name[direction], "custom/%016" PRIx64, hash);
    return PNB_OK;
}

static pnb_status create(pnb_operator *op, const cJSON *args, const char *base_dir) {
    const custom_options *o = op->options;
    const pnb_shape i = op->image;
    op->custom = calloc(1, sizeof *op->custom);
    if (!op->custom) return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator custom: no host memory");
    op->custom->image = i.rank == 1 ? (push){.channels = 1, .height = 1, .width = i.d[0]}
                                    : (push){.channels = i.d[0], .height = i.d[1], .width = i.d[2]};
    op->unproven = true;
    if (o->norm > 0) op->norm = o->norm;
    PNB_TRY(read_shape(op, args));
    PNB_TRY(read_data(op, args, base_dir));
    PNB_TRY(read_shader(op, args, base_dir, APPLY));
    return read_shader(op, args, base_dir, ADJOINT);
}

static const pnb_option table[] = {
    {"norm", PNB_OPTION_REAL, offsetof(custom_options, norm), 0, 0, 1e30, NULL, "",
     "an upper bound of its largest singular value; 0: found by the power method"},
};
static const pnb_operator_key keys[] = {
    {"apply", "path of a compute shader for y = A x, GLSL or SPIR-V (binding 0 read, 1 written, 2 data; push constants n, from_count, "
              "to_count, channels, height, width; an invocation an element; see assets/custom)",
     true},
    {"adjoint", "path of one for x = A^T y, likewise; tried against apply before use", true},
    {"shape", "of the measurement: [m], [height, width] or [channels, height, width]; the image's where it is not given", true},
    {"data", "path of an .npy with numbers for both (binding 2)", true},
};

const pnb_operator_type pnb_operator_custom = {
    .doc = {.type = "custom",
            .summary = "your own linear operator, a pair of compute shaders; run only those that you trust",
            .table = {table, sizeof table / sizeof *table, sizeof(custom_options)},
            .keys = keys,
            .n_keys = sizeof keys / sizeof *keys},
    .linear = true,
    .create = create,
    .commit = commit,
    .apply = apply,
    .adjoint = adjoint,
};

/* ---- from functions ---------------------------------------------------------------------------------------------- */

static pnb_status call(pnb_error *err, const pnb_custom_callback *c, pnb_linear_fn fn, const float *from, float *to) {
    int code = fn(c->user, from, to);
    return code ? pnb_fail(err, PNB_ERROR_INPUT, "operator '%s': its function gave %d", c->name, code) : PNB_OK;
}

/* Row j of A^T is A e_j. */
static pnb_status add_column(pnb_error *err, const pnb_custom_callback *c, uint32_t m, const float *column, uint32_t *where, float *weights,
                             pnb_sparse *t) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < m; i++) {
        if (!isfinite(column[i]))
            return pnb_fail(err, PNB_ERROR_INPUT, "operator '%s': element %u of its result is not finite", c->name, i);
        if (column[i] == 0) continue;
        where[n] = i;
        weights[n++] = column[i];
    }
    if ((uint64_t)t->count + n > MAX_ENTRIES)
        return pnb_fail(err, PNB_ERROR_INPUT, "operator '%s': its matrix has more than %d entries that are not 0: use shaders", c->name,
                        MAX_ENTRIES);
    return pnb_sparse_add_row(t, n, where, weights) ? PNB_OK
                                                    : pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "operator '%s': no host memory", c->name);
}

/* y = A x, or x = A^T y where transposed is false, of the matrix of A^T. */
static void multiply(const pnb_sparse *t, bool transposed, const float *from, float *to, uint64_t to_count) {
    memset(to, 0, to_count * sizeof *to);
    for (uint32_t j = 0; j < t->rows; j++) {
        double sum = 0;
        for (uint32_t k = t->start[j]; k < t->start[j + 1]; k++) {
            if (transposed) to[t->entries[k].column] += t->entries[k].weight * from[j];
            else sum += (double)t->entries[k].weight * from[t->entries[k].column];
        }
        if (!transposed) to[j] = (float)sum;
    }
}

/* The functions at random x and u against the matrix of their columns; then the norm. */
static pnb_status try_functions(pnb_error *err, const pnb_custom_callback *c, const pnb_sparse *t, uint64_t d, uint64_t m, float *x,
                                float *u, float *ax, float *atu, double *norm) {
    pnb_fill_normal(17, 1, 0, 0, x, 2 * d);
    pnb_fill_normal(17, 2, 0, 0, u, 3 * m);
    for (uint64_t i = 0; i < d; i++) x[2 * d + i] = x[i] + x[d + i];
    for (int s = 0; s < 3; s++) {
        PNB_TRY(call(err, c, c->apply, x + s * d, ax + s * m));
        if (c->adjoint) PNB_TRY(call(err, c, c->adjoint, u + s * m, atu + s * d));
        else multiply(t, false, u + s * m, atu + s * d, d);
    }
    PNB_TRY(judge(err, c->name, d, m, x, u, ax, atu));
    double squared = 0;
    for (int round = 0; round < 30; round++) {
        double size = size_of(x, d);
        for (uint64_t i = 0; i < d && size > 0; i++) x[i] = (float)(x[i] / size);
        multiply(t, true, x, ax, m);
        multiply(t, false, ax, x, d);
        squared = size_of(x, d);
    }
    *norm = 1.05 * sqrt(squared);
    return PNB_OK;
}

static pnb_status take_columns(pnb_operator *op, const pnb_custom_callback *c, float *x, float *y, uint32_t *where, float *weights,
                               pnb_sparse *t) {
    uint32_t d = (uint32_t)pnb_shape_count(op->image), m = (uint32_t)pnb_shape_count(op->measurement);
    t->columns = m;
    memset(x, 0, d * sizeof *x);
    for (uint32_t j = 0; j < d; j++) {
        x[j] = 1;
        PNB_TRY(call(op->err, c, c->apply, x, y));
        x[j] = 0;
        PNB_TRY(add_column(op->err, c, m, y, where, weights, t));
    }
    PNB_TRY(try_functions(op->err, c, t, d, m, x, x + 3 * d, x + 3 * (d + (size_t)m), x + 3 * d + 6 * (size_t)m, &op->norm));
    return pnb_sparse_add(op, "custom", t, &op->custom->matrix);
}

pnb_status pnb_custom_from_functions(pnb_operator *op, const pnb_custom_callback *c) {
    uint64_t d = pnb_shape_count(op->image), m = pnb_shape_count(c->measurement);
    pnb_sparse t = {0};
    op->measurement = c->measurement;
    op->custom = calloc(1, sizeof *op->custom);
    float *x = malloc(6 * (d + m) * sizeof *x), *y = malloc(2 * m * sizeof *y);
    uint32_t *where = malloc(m * sizeof *where);
    cJSON *name = cJSON_CreateString(c->name);
    pnb_status status = PNB_OK;
    if (!op->custom || !x || !y || !where || !name || !cJSON_AddItemToObject(op->keys, "functions", name)) {
        cJSON_Delete(name);
        status = pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator '%s': no host memory", c->name);
    }
    if (status == PNB_OK) status = take_columns(op, c, x, y, where, y + m, &t);
    pnb_sparse_free(&t);
    free(x);
    free(y);
    free(where);
    return status;
}
