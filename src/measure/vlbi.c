/* vlbi: what an interferometer measures of a small patch of the sky: visibilities, and what is made of them.
 *
 *     V(u,v) = sum of I_rc exp(2 pi i (u l_c + v m_r)) P(u) P(v)        (vlbi.h has the geometry)
 *
 * by a dense matrix of 2 rows a visibility, or by an FFT and a window (nufft.h); then |V|, ln|V| and arg V (op vlbi),
 * and sums of up to four of these with signs (op sparse): amplitudes, closure phases, log closure amplitudes. V(0,0)
 * rides along: it is the total flux. Each entry has the standard error that follows from the thermal noise in the file;
 * images scaled to a flux are divided by V(0,0). */
#include "measure/vlbi.h"

#include "measure/nufft.h"
#include "measure/operator_type.h"
#include "measure/sparse.h"
#include "measure/vlbi_push.h"
#include "measure/vlbi_slopes.h"
#include "ops/emit.h"
#include "ops/ops.h"

#include <cjson/cJSON.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct vlbi_options {
    double fov_uas, peak_jy, flux_jy, scan_gap_s, min_snr, systematic, systematic_deg, gain_error, flux_error;
    int32_t pixels, transform;
    bool scan_average, intrasite;
} vlbi_options;

enum { PIXELS_UNIT, PIXELS_JY };
static const char *const pixel_words[] = {"unit", "jy", NULL};
enum { TRANSFORM_DENSE, TRANSFORM_FFT };
static const char *const transform_words[] = {"dense", "fft", NULL};

#define REAL(member, def, min, max, unit, help)                                                                        \
    { #member, PNB_OPTION_REAL, offsetof(vlbi_options, member), def, min, max, NULL, unit, help }
#define BOOL(member, def, help)                                                                                        \
    { #member, PNB_OPTION_BOOL, offsetof(vlbi_options, member), def, 0, 1, NULL, "", help }
static const pnb_option table[] = {
    REAL(fov_uas, 128, 1e-3, 1e9, "micro-arcseconds", "width of the image; the prior's, where its metadata has fov_uas"),
    {"pixels", PNB_OPTION_CHOICE, offsetof(vlbi_options, pixels), PIXELS_UNIT, 0, 1, pixel_words, "",
     "unit: values of [-1,1] are 0 to the peak; jy: Jy/pixel as they are"},
    {"transform", PNB_OPTION_CHOICE, offsetof(vlbi_options, transform), TRANSFORM_DENSE, 0, 1, transform_words, "",
     "visibilities by a dense matrix, or by an FFT and interpolation: less memory and work where there are many"},
    REAL(peak_jy, 0, 0, 1e9, "Jy/pixel", "brightness of a pixel of value 1; 0: each image is scaled to flux_jy"),
    REAL(flux_jy, 0, 0, 1e9, "Jy", "total flux that images are scaled to; 0: the largest amplitude that is kept"),
    BOOL(scan_average, 1, "coherent mean of each scan"),
    REAL(scan_gap_s, 60, 0, 86400, "seconds", "pause between scans"),
    BOOL(intrasite, 1, "keep baselines below 10 million wavelengths, which see emission beyond the image"),
    REAL(min_snr, 0, 0, 1e9, "", "visibilities of a lower signal-to-noise ratio are left out"),
    REAL(systematic, 0, 0, 10, "", "error added in quadrature, as fraction of the amplitude (not to closure phases)"),
    REAL(systematic_deg, 0, 0, 180, "degrees", "error added in quadrature to closure phases"),
    REAL(gain_error, 0, 0, 10, "", "error added in quadrature to amplitudes alone, as fraction: unknown gains"),
    REAL(flux_error, 0.1, 1e-6, 10, "", "error of the total flux, as fraction"),
};

static const pnb_operator_key keys[] = {
    {"file", "path of the visibilities: .uvfits or the EHT's .csv", false},
    {"data", "what is fitted: a word or a list of visibility, amplitude, closure_phase, log_closure_amplitude, flux",
     true},
    {"weights", "numbers that multiply chi-squares, one for each entry of data (all 1)", true},
};

/* In the order in which y holds them; angles come last (op sparse). */
enum { TERM_VISIBILITY, TERM_AMPLITUDE, TERM_LOG_CLOSURE, TERM_FLUX, TERM_CLOSURE_PHASE, TERMS };
static const char *const term_words[] = {"visibility", "amplitude",     "log_closure_amplitude",
                                         "flux",       "closure_phase", NULL};

/* ---- the op: what is made of a visibility ------------------------------------------------------------------------ */

static pnb_status lower_as(pnb_lower *l, const pnb_node *node, const char *shader) {
    pnb_shape v = pnb_lower_shape(l, node->in[0]);
    pnb_push_vlbi push = {.batch = v.d[0], .count = v.d[1] / 2};
    pnb_dispatch d = pnb_emit_begin(l, shader, "vlbi");
    for (uint32_t i = 0; i < node->n_in; i++) pnb_emit_read(&d, node->in[i], false);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, (uint64_t)push.batch * push.count);
    return pnb_lower_emit(l, &d);
}

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    return lower_as(l, node, "measure/vlbi");
}

static pnb_status grad_lower(pnb_lower *l, const pnb_node *node) {
    return lower_as(l, node, "measure/vlbi.grad");
}

static const pnb_op op_grad = {.name = "vlbi_grad", .lower = grad_lower};

static pnb_status vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    const pnb_tensor in[2] = {node->in[0], gout[0]};
    pnb_shape shape = pnb_graph_shape(g, node->in[0]);
    return pnb_graph_add(g, &op_grad, in, 2, 0, NULL, 0, &shape, 1, &gin[0], 1);
}

static const pnb_op op_vlbi = {.name = "vlbi", .vjp = vjp, .lower = lower};

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static pnb_status read_word(pnb_operator *op, const cJSON *item, double weight, double weights[TERMS]) {
    for (int t = 0; cJSON_IsString(item) && t < TERMS; t++) {
        if (strcmp(item->valuestring, term_words[t]) != 0) continue;
        weights[t] = weight;
        return PNB_OK;
    }
    return pnb_fail(op->err, PNB_ERROR_INPUT,
                    "operator vlbi: data: expected visibility, amplitude, closure_phase, log_closure_amplitude or "
                    "flux, found %s%.40s%s",
                    cJSON_IsString(item) ? "'" : "",
                    cJSON_IsString(item) ? item->valuestring : "something that is no word",
                    cJSON_IsString(item) ? "'" : "");
}

/* The factor of each term's chi-square, 0 for those that are not asked for. */
static pnb_status read_data(pnb_operator *op, const cJSON *args, double weights[TERMS]) {
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(args, "data"),
                *factors = cJSON_GetObjectItemCaseSensitive(args, "weights");
    int n = cJSON_IsArray(data) ? cJSON_GetArraySize(data) : 1;
    if (factors && (!cJSON_IsArray(factors) || cJSON_GetArraySize(factors) != n)) {
        return pnb_fail(op->err, PNB_ERROR_INPUT,
                        "operator vlbi: weights: expected a list of %d numbers, as many as data has", n);
    }
    memset(weights, 0, TERMS * sizeof *weights);
    if (!data) weights[TERM_VISIBILITY] = 1;
    for (int i = 0; data && i < n; i++) {
        const cJSON *factor = factors ? cJSON_GetArrayItem(factors, i) : NULL;
        if (factor && (!cJSON_IsNumber(factor) || !(factor->valuedouble > 0 && factor->valuedouble < 1e12))) {
            return pnb_fail(op->err, PNB_ERROR_INPUT, "operator vlbi: weights: entry %d must be a number above 0",
                            i + 1);
        }
        PNB_TRY(read_word(op, cJSON_IsArray(data) ? cJSON_GetArrayItem(data, i) : data,
                          factor ? factor->valuedouble : 1, weights));
    }
    if (n == 0) return pnb_fail(op->err, PNB_ERROR_INPUT, "operator vlbi: data: the list is empty");
    for (const char *const *key = (const char *const[]){"data", "weights", NULL}; *key; key++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(args, *key);
        cJSON *copy = value ? cJSON_Duplicate(value, true) : NULL;
        if (value && !(copy && cJSON_AddItemToObject(op->keys, *key, copy))) {
            cJSON_Delete(copy);
            return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator vlbi: no host memory");
        }
    }
    return PNB_OK;
}

static pnb_status read_file(pnb_operator *op, const cJSON *args, const char *base_dir) {
    const vlbi_options *o = op->options;
    char *path;
    PNB_TRY(pnb_operator_path(op, args, "file", base_dir, &path));
    pnb_status status = pnb_uvdata_read(op->err, path, &op->vlbi->data);
    free(path);
    if (status != PNB_OK) return pnb_error_prefix(op->err, "operator vlbi: ");
    pnb_uv_selection s = PNB_UV_SELECTION_DEFAULTS;
    s.scan_average = o->scan_average;
    s.scan_gap = o->scan_gap_s;
    s.intrasite = o->intrasite;
    s.least_snr = o->min_snr;
    if (pnb_uvdata_select(op->err, &op->vlbi->data, &s) != PNB_OK) return pnb_error_prefix(op->err, "operator vlbi: ");
    return pnb_closures_find(op->err, &op->vlbi->data, &op->vlbi->closures);
}

static void set_scale(pnb_operator *op) {
    vlbi_options *o = op->options;
    pnb_vlbi *v = op->vlbi;
    v->pixel = o->fov_uas * PNB_RADIANS_OF_UAS / op->image.d[2];
    v->jy = o->pixels == PIXELS_JY;
    for (uint32_t i = 0; o->flux_jy == 0 && i < v->data.count; i++)
        v->flux = fmax(v->flux, hypot(v->data.records[i].re, v->data.records[i].im));
    if (o->flux_jy == 0) o->flux_jy = v->flux;
    v->peak = v->jy ? 1 : o->peak_jy;
    v->flux = v->peak > 0 ? 0 : o->flux_jy;
    if (v->flux > 0) v->peak = 1;
}

/* ---- constants --------------------------------------------------------------------------------------------------- */

/* Rows of real parts of all visibilities and of V(0,0), then of imaginary parts. */
static pnb_status add_matrix(pnb_operator *op) {
    size_t n = pnb_shape_count(op->image), rows = op->vlbi->data.count + 1;
    enum { MOST_BYTES = 1 << 27 }; /* every device binds that much */
    if (8 * rows * n > MOST_BYTES) {
        return pnb_fail(op->err, PNB_ERROR_INPUT,
                        "operator vlbi: %zu visibilities of %u x %u pixels make a matrix of %zu MiB, at most %d are "
                        "possible; use \"transform\": \"fft\", scan_average, or a smaller image",
                        rows - 1, op->image.d[1], op->image.d[2], 8 * rows * n >> 20, MOST_BYTES >> 20);
    }
    float *matrix = malloc(2 * rows * n * sizeof *matrix);
    double *row = malloc(2 * n * sizeof *row);
    for (size_t k = 0; matrix && row && k < rows; k++) {
        pnb_vlbi_row(op, (uint32_t)k, row, row + n);
        for (size_t i = 0; i < n; i++) matrix[k * n + i] = (float)row[i];
        for (size_t i = 0; i < n; i++) matrix[(rows + k) * n + i] = (float)row[n + i];
    }
    if (!row) {
        free(matrix);
        matrix = NULL;
    }
    free(row);
    op->vlbi->matrix = op->n_constants;
    return pnb_operator_add_constant(op, "matrix", pnb_shape2((uint32_t)(2 * rows), (uint32_t)n), matrix);
}

static pnb_status add_nufft(pnb_operator *op) {
    pnb_vlbi *v = op->vlbi;
    pnb_sky_grid grid = {op->image.d[1], op->image.d[2], v->pixel};
    double(*uv)[2] = calloc(v->data.count + 1, sizeof *uv); /* the last one stays 0 */
    v->nufft = calloc(1, sizeof *v->nufft);
    pnb_status status =
        uv && v->nufft ? PNB_OK : pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator vlbi: no host memory");
    for (uint32_t k = 0; uv && k < v->data.count; k++) {
        uv[k][0] = v->data.records[k].u;
        uv[k][1] = v->data.records[k].v;
    }
    if (status == PNB_OK) status = pnb_nufft_add(op, &grid, v->data.count + 1, uv, v->nufft);
    free(uv);
    return status;
}

/* The measurement while it is put together. */
typedef struct listing {
    pnb_operator *op;
    const vlbi_options *o;
    pnb_sparse pick;
    float *values, *weights;      /* [room] */
    uint32_t count, visibilities; /* of the matrix: V(0,0) included */
    bool failed;
} listing;

/* An entry: the sum of n columns of block `block` with signs, its measured value, error and factor of chi-square. */
static void list(listing *l, uint32_t block, int n, const uint32_t *records, const float *signs, double value,
                 double sigma, double factor) {
    uint32_t columns[4];
    for (int i = 0; i < n; i++) columns[i] = block * l->visibilities + records[i];
    if (l->failed || !pnb_sparse_add_row(&l->pick, (uint32_t)n, columns, signs)) {
        l->failed = true;
        return;
    }
    l->values[l->count] = (float)value;
    l->weights[l->count++] = (float)((block == VLBI_PHASE ? -1 : 1) * sqrt(factor) / sigma);
}

static void list_visibility(listing *l, uint32_t k, double factor) {
    const pnb_uv_record *r = &l->op->vlbi->data.records[k];
    double sigma = hypot(r->sigma, l->o->systematic * hypot(r->re, r->im));
    const float one = 1;
    list(l, VLBI_RE, 1, &k, &one, r->re, sigma, factor);
    list(l, VLBI_IM, 1, &k, &one, r->im, sigma, factor);
}

static void list_amplitude(listing *l, uint32_t k, double factor) {
    const pnb_uv_record *r = &l->op->vlbi->data.records[k];
    double a = hypot(r->re, r->im), sigma = hypot(r->sigma, hypot(l->o->systematic, l->o->gain_error) * a);
    const float one = 1;
    list(l, VLBI_AMPLITUDE, 1, &k, &one, a, sigma, factor);
}

/* sigma^2/|V|^2, of the phase in radians and of ln|V| */
static double relative(const pnb_uv_record *r) {
    return r->sigma * r->sigma / fmax(r->re * r->re + r->im * r->im, 1e-24);
}

static void list_quadrangle(listing *l, const uint32_t quad[4], double factor) {
    static const float signs[4] = {1, 1, -1, -1};
    double value = 0, square = 0;
    for (int i = 0; i < 4; i++) {
        const pnb_uv_record *r = &l->op->vlbi->data.records[quad[i]];
        value += signs[i] * log(fmax(hypot(r->re, r->im), 1e-12));
        square += relative(r) + l->o->systematic * l->o->systematic;
    }
    list(l, VLBI_LOG, 4, quad, signs, value, sqrt(square), factor);
}

static void list_triangle(listing *l, const uint32_t triangle[3], double factor) {
    static const float signs[3] = {1, 1, -1};
    double value = 0, added = l->o->systematic_deg * 3.14159265358979323846 / 180, square = added * added;
    for (int i = 0; i < 3; i++) {
        const pnb_uv_record *r = &l->op->vlbi->data.records[triangle[i]];
        value += signs[i] * atan2(r->im, r->re);
        square += relative(r);
    }
    list(l, VLBI_PHASE, 3, triangle, signs, atan2(sin(value), cos(value)), sqrt(square), factor);
}

static void list_term(listing *l, int term, double factor) {
    const pnb_vlbi *v = l->op->vlbi;
    const float one = 1;
    switch (term) {
    case TERM_VISIBILITY:
        for (uint32_t k = 0; k < v->data.count; k++) list_visibility(l, k, factor);
        break;
    case TERM_AMPLITUDE:
        for (uint32_t k = 0; k < v->data.count; k++) list_amplitude(l, k, factor);
        break;
    case TERM_LOG_CLOSURE:
        for (uint32_t k = 0; k < v->closures.n_quadrangles; k++) list_quadrangle(l, v->closures.quadrangles[k], factor);
        break;
    case TERM_FLUX:
        list(l, VLBI_RE, 1, &v->data.count, &one, l->o->flux_jy, l->o->flux_error * l->o->flux_jy, factor);
        break;
    default:
        for (uint32_t k = 0; k < v->closures.n_triangles; k++) list_triangle(l, v->closures.triangles[k], factor);
    }
}

static pnb_status add_listing(pnb_operator *op, listing *l, const double factors[TERMS], uint32_t blocks) {
    for (int t = 0; t < TERMS; t++) {
        uint32_t begin = l->count;
        if (factors[t] == 0) continue;
        list_term(l, t, factors[t]);
        op->terms[op->n_terms++] = (pnb_operator_term){term_words[t], begin, l->count - begin, factors[t]};
    }
    if (l->failed) return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator vlbi: no host memory");
    if (l->count == 0) {
        return pnb_fail(op->err, PNB_ERROR_INPUT,
                        "operator vlbi: %u visibilities at %u times hold none of these data: closures need three or "
                        "four stations at a time",
                        op->vlbi->data.count, op->vlbi->data.groups);
    }
    l->pick.columns = blocks * l->visibilities;
    op->measurement = pnb_shape1(l->count);
    op->given = l->values;
    l->values = NULL;
    PNB_TRY(pnb_sparse_add(op, "pick", &l->pick, &op->vlbi->pick));
    float *weights = l->weights;
    l->weights = NULL;
    op->weights = (int32_t)op->n_constants;
    return pnb_operator_add_constant(op, "weights", op->measurement, weights);
}

static uint32_t blocks_of(const pnb_operator *op) {
    return op->linear ? VLBI_AMPLITUDE : VLBI_BLOCKS;
}

static pnb_status add_data(pnb_operator *op, const double factors[TERMS]) {
    const pnb_vlbi *v = op->vlbi;
    size_t room = 4 * (size_t)v->data.count + v->closures.n_triangles + v->closures.n_quadrangles + 1;
    listing l = {.op = op, .o = op->options, .visibilities = v->data.count + 1};
    l.values = malloc(room * sizeof *l.values);
    l.weights = malloc(room * sizeof *l.weights);
    l.failed = !l.values || !l.weights;
    pnb_status status = add_listing(op, &l, factors, blocks_of(op));
    pnb_sparse_free(&l.pick);
    free(l.values);
    free(l.weights);
    return status;
}

/* Particles start from a round Gaussian of 0.4 fields of view, as bright as the data. */
static pnb_status add_start(pnb_operator *op) {
    const vlbi_options *o = op->options;
    uint32_t h = op->image.d[1], w = op->image.d[2];
    double width = 0.4 * w / 2.3548, sum = 0;
    float *start = malloc((size_t)h * w * sizeof *start);
    for (uint32_t i = 0; start && i < h * w; i++) {
        double x = i % w - 0.5 * (w - 1), y = i / w - 0.5 * (h - 1);
        start[i] = (float)exp(-0.5 * (x * x + y * y) / (width * width));
        sum += start[i];
    }
    double peak = o->pixels == PIXELS_JY ? o->flux_jy / sum
                  : o->peak_jy > 0       ? fmin(1, o->flux_jy / (o->peak_jy * sum))
                                         : 0.5;
    for (uint32_t i = 0; start && i < h * w; i++)
        start[i] = (float)(o->pixels == PIXELS_JY ? peak * start[i] : 2 * peak * start[i] - 1);
    op->start = (int32_t)op->n_constants;
    return pnb_operator_add_constant(op, "start", pnb_shape2(1, h * w), start);
}

static pnb_status create(pnb_operator *op, const cJSON *args, const char *base_dir) {
    double factors[TERMS];
    PNB_TRY(pnb_operator_need_image(op));
    if (op->image.d[0] != 1)
        return pnb_fail(op->err, PNB_ERROR_INPUT, "operator vlbi: it needs images of one channel, the prior makes %u",
                        op->image.d[0]);
    PNB_TRY(read_data(op, args, factors));
    op->vlbi = calloc(1, sizeof *op->vlbi);
    if (!op->vlbi) return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator vlbi: no host memory");
    PNB_TRY(read_file(op, args, base_dir));
    set_scale(op);
    op->linear = op->vlbi->jy && !factors[TERM_AMPLITUDE] && !factors[TERM_LOG_CLOSURE] && !factors[TERM_CLOSURE_PHASE];
    PNB_TRY(((const vlbi_options *)op->options)->transform == TRANSFORM_FFT ? add_nufft(op) : add_matrix(op));
    PNB_TRY(add_data(op, factors));
    PNB_TRY(add_start(op));
    return pnb_vlbi_slopes(op);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

/* x [N,1,H,W] to pixels in Jy but for the scale to a flux, [N,H*W]. */
static pnb_status to_pixels(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *pixels) {
    const pnb_vlbi *v = op->vlbi;
    float half = (float)(0.5 * v->peak);
    pnb_tensor flat;
    PNB_TRY(
        pnb_graph_reshape(g, x, pnb_shape2(pnb_graph_shape(g, x).d[0], (uint32_t)pnb_shape_count(op->image)), &flat));
    *pixels = flat;
    return v->jy ? PNB_OK : pnb_affine(g, flat, half, half, pixels);
}

/* Divides by V(0,0), the sum of all pixels, and multiplies by the flux. */
static pnb_status scale_to_flux(const pnb_vlbi *v, pnb_graph *g, pnb_tensor *visibilities) {
    pnb_tensor sum, bright, inverse, scaled, scale, image = *visibilities;
    if (v->flux == 0) return PNB_OK;
    PNB_TRY(pnb_slice(g, image, 1, v->data.count, 1, &sum));
    PNB_TRY(pnb_clamp(g, sum, 1e-3f, 1e30f, &bright)); /* of images that are dark all over */
    PNB_TRY(pnb_unary_op(g, PNB_RECIP, bright, &inverse));
    PNB_TRY(pnb_affine(g, inverse, (float)v->flux, 0, &scaled));
    PNB_TRY(pnb_graph_reshape(g, scaled, pnb_shape1(pnb_graph_shape(g, sum).d[0]), &scale));
    return pnb_mul(g, image, scale, visibilities);
}

static pnb_status apply(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    pnb_tensor pixels, matrix, v, made;
    uint32_t rows = op->measurement.d[0], angle = rows;
    for (uint32_t t = 0; t < op->n_terms; t++) {
        if (op->terms[t].name == term_words[TERM_CLOSURE_PHASE]) angle = op->terms[t].begin;
    }
    PNB_TRY(to_pixels(op, g, x, &pixels));
    if (op->vlbi->nufft) {
        PNB_TRY(pnb_nufft_apply(op, g, op->vlbi->nufft, pixels, &v));
    } else {
        PNB_TRY(pnb_operator_bind(op, g, op->vlbi->matrix, &matrix));
        PNB_TRY(pnb_linear(g, pixels, matrix, PNB_NONE, &v));
    }
    PNB_TRY(scale_to_flux(op->vlbi, g, &v));
    if (op->linear) return pnb_sparse_apply(op, g, op->vlbi->pick, v, rows, angle, y);
    pnb_shape shape = pnb_graph_shape(g, v);
    shape.d[1] = shape.d[1] / 2 * VLBI_BLOCKS;
    PNB_TRY(pnb_graph_add(g, &op_vlbi, &v, 1, 0, NULL, 0, &shape, 1, &made, 1));
    return pnb_sparse_apply(op, g, op->vlbi->pick, made, rows, angle, y);
}

static pnb_status adjoint(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    pnb_tensor v, matrix, flat;
    pnb_shape i = op->image;
    uint32_t n = pnb_graph_shape(g, y).d[0];
    PNB_TRY(pnb_sparse_adjoint(op, g, op->vlbi->pick, y, VLBI_AMPLITUDE * (op->vlbi->data.count + 1), &v));
    if (op->vlbi->nufft) {
        PNB_TRY(pnb_nufft_adjoint(op, g, op->vlbi->nufft, v, &flat));
    } else {
        PNB_TRY(pnb_operator_bind(op, g, op->vlbi->matrix, &matrix));
        PNB_TRY(pnb_matmul(g, v, matrix, false, false, 1, &flat));
    }
    return pnb_graph_reshape(g, flat, pnb_shape4(n, i.d[0], i.d[1], i.d[2]), x);
}

/* The same image for each measurement of the batch: a column of ones times it. */
static pnb_status initial(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    pnb_tensor ones, image, flat;
    pnb_shape i = op->image;
    uint32_t n = pnb_graph_shape(g, y).d[0];
    PNB_TRY(pnb_operator_bind(op, g, (uint32_t)op->start, &image));
    PNB_TRY(pnb_constant(g, pnb_shape2(n, 1), 1, &ones));
    PNB_TRY(pnb_matmul(g, ones, image, false, false, 1, &flat));
    return pnb_graph_reshape(g, flat, pnb_shape4(n, i.d[0], i.d[1], i.d[2]), x);
}

const pnb_operator_type pnb_operator_vlbi = {
    .doc = {.type = "vlbi",
            .summary = "visibilities of a radio interferometer, amplitudes, closure phases, log closure amplitudes",
            .table = {table, sizeof table / sizeof table[0], sizeof(vlbi_options)},
            .keys = keys,
            .n_keys = sizeof keys / sizeof keys[0]},
    .create = create,
    .apply = apply,
    .adjoint = adjoint,
    .initial = initial,
};

/* ---- for others -------------------------------------------------------------------------------------------------- */

const pnb_vlbi *pnb_vlbi_of(const pnb_operator *op) {
    return pnb_operator_last(op)->vlbi;
}

void pnb_vlbi_brightness(const pnb_vlbi *v, size_t n, const float *x, double *jy) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        jy[i] = v->jy ? x[i] : 0.5 * v->peak * (x[i] + 1.0);
        sum += jy[i];
    }
    if (v->flux == 0) return;
    for (size_t i = 0; i < n; i++) jy[i] *= v->flux / fmax(sum, 1e-3);
}

void pnb_vlbi_destroy(pnb_vlbi **v) {
    if (!*v) return;
    pnb_uvdata_free(&(*v)->data);
    pnb_closures_free(&(*v)->closures);
    free((*v)->nufft);
    free(*v);
    *v = NULL;
}
