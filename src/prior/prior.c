/* Priors: loading by what a file holds, their facts, and the one way to their noise prediction. */
#include "base/file.h"
#include "graph/op.h"
#include "prior/internal.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---------------------------------------------------------------------------------------------------------
 */

pnb_status pnb_prior_create_of(pnb_error *err, pnb_prior_kind kind, pnb_schedule_kind schedule, uint32_t steps,
                               pnb_prior **out) {
    *out = NULL;
    pnb_prior *p = calloc(1, sizeof *p);
    if (!p) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "prior: no memory");
    p->err = err;
    p->kind = kind;
    p->architecture = kind == PNB_PRIOR_GMM ? "gmm" : "mlp"; /* the reader of a U-Net says which */
    *out = p;
    PNB_TRY(pnb_schedule_init(err, schedule, steps, &p->schedule));
    return pnb_weights_init(err, "prior", &p->weights);
}

void pnb_prior_destroy(pnb_prior **prior, pnb_gpu *gpu) {
    if (!prior || !*prior) return;
    pnb_prior *p = *prior;
    pnb_weights_finish(&p->weights, gpu);
    pnb_schedule_finish(&p->schedule);
    pnb_unet_finish(&p->unet);
    pnb_gmm_finish(&p->gmm);
    free(p);
    *prior = NULL;
}

pnb_status pnb_prior_create_gmm(pnb_error *err, uint32_t dim, uint32_t n, const double *weights, const double *means,
                                const double *covariances, pnb_prior **out) {
    pnb_status status = PNB_OK;
    PNB_TRY_GOTO(pnb_prior_create_of(err, PNB_PRIOR_GMM, PNB_SCHEDULE_LINEAR, 1000, out));
    PNB_TRY_GOTO(pnb_gmm_init(err, dim, n, weights, means, covariances, &(*out)->gmm));
    PNB_TRY_GOTO(pnb_gmm_describe(*out));
    return PNB_OK;
fail:
    pnb_prior_destroy(out, NULL);
    return status;
}

pnb_status pnb_prior_create_empty(pnb_error *err, pnb_prior **out) {
    return pnb_prior_create_of(err, PNB_PRIOR_UNET, PNB_SCHEDULE_LINEAR, 1000, out);
}

static pnb_status unknown_preset(pnb_error *err, const char *name) {
    char names[160] = "";
    size_t count;
    const pnb_preset *all = pnb_presets(&count);
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, i ? ", %s" : "%s", all[i].name);
    }
    return pnb_fail(err, PNB_ERROR_USAGE, "there is no network preset '%.100s'; there are %s", name, names);
}

pnb_status pnb_prior_create_preset(pnb_error *err, const char *name, uint32_t width, uint64_t seed, pnb_prior **out) {
    *out = NULL;
    const pnb_preset *preset = pnb_preset_find(name);
    if (!preset) return unknown_preset(err, name);
    pnb_status status = pnb_prior_create_empty(err, out);
    if (status == PNB_OK) status = pnb_preset_fill(*out, preset, width, seed);
    if (status != PNB_OK) pnb_prior_destroy(out, NULL);
    return status;
}

bool pnb_prior_find_network(const pnb_tensor_file *file, const char **prefix, size_t *length) {
    pnb_prefix p = {"", 0};
    size_t i;
    bool found = pnb_unet_recognise(file, NULL, &p) || pnb_tensor_file_find(file, "inp.weight", &i);
    *prefix = p.text;
    *length = p.length;
    return found;
}

/* What the file is: by its word, else by its names. *reader NULL: an MLP. */
static pnb_status recognise(pnb_error *err, const pnb_tensor_file *file, const pnb_unet_reader **reader,
                            pnb_prefix *prefix) {
    const char *word = pnb_tensor_file_metadata(file, "architecture");
    size_t i, count = pnb_tensor_file_count(file);
    if (word && strcmp(word, "adapter") == 0) return pnb_fail(err, PNB_ERROR_MODEL, "it is an adapter, not a prior");
    *reader = NULL;
    if (word && strcmp(word, "mlp") == 0) return PNB_OK;
    *reader = pnb_unet_recognise(file, word, prefix);
    if (!*reader) *reader = pnb_unet_recognise(file, NULL, prefix);
    if (*reader || pnb_tensor_file_find(file, "inp.weight", &i)) return PNB_OK;
    return pnb_fail(err, PNB_ERROR_MODEL,
                    "it is no network known here (U-Nets of guided-diffusion, EDM and diffusers, or an MLP): %zu "
                    "tensors, the first is '%s'%s%s",
                    count, count ? pnb_tensor_file_at(file, 0).name : "none",
                    word ? ", its metadata says architecture " : "", word ? word : "");
}

static pnb_status load(pnb_error *err, pnb_tensor_file *file, pnb_prior **out) {
    const pnb_unet_reader *reader;
    pnb_prefix prefix;
    PNB_TRY(recognise(err, file, &reader, &prefix));
    const char *schedule = pnb_tensor_file_metadata(file, "schedule");
    bool cosine = schedule && strcmp(schedule, "cosine") == 0;
    if (schedule && !cosine && strcmp(schedule, "linear") != 0)
        return pnb_fail(err, PNB_ERROR_MODEL, "its metadata asks for the schedule '%s', known are linear and cosine",
                        schedule);
    int32_t steps = pnb_load_hint(file, NULL, "diffusion_steps", 1000);
    PNB_TRY(pnb_prior_create_of(err, reader ? PNB_PRIOR_UNET : PNB_PRIOR_MLP, cosine ? PNB_SCHEDULE_COSINE : PNB_SCHEDULE_LINEAR,
                   (uint32_t)(steps > 0 ? steps : 0), out));
    (*out)->fov_uas = fmax(0, pnb_load_number(file, NULL, "fov_uas", 0));
    (*out)->pixel_nm = fmax(0, pnb_load_number(file, NULL, "pixel_nm", 0));
    (*out)->generator = pnb_tensor_file_metadata(file, "generator") != NULL;
    return reader ? pnb_unet_load(*out, reader, prefix, file) : pnb_mlp_load(*out, file);
}

/* The checkpoint in diffusers' folder of a model or pipeline; the path itself where it is no folder. To be freed. */
static char *checkpoint_path(const char *path) {
    static const char *const places[] = {
        "diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.safetensors",
        "diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.bin"};
    if (!pnb_is_folder(path)) return pnb_path_join(NULL, path);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *name = pnb_path_join(path, places[i]);
        if (!name || pnb_file_exists(name)) return name;
        free(name);
    }
    return pnb_path_join(path, places[0]); /* which is missed */
}

pnb_status pnb_prior_load(pnb_error *err, const char *path, pnb_prior **out) {
    pnb_tensor_file *file = NULL;
    char *name = checkpoint_path(path);
    *out = NULL;
    if (!name) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "prior: no memory for a path");
    pnb_status status = pnb_tensor_file_open(err, name, &file);
    if (status == PNB_OK) status = load(err, file, out);
    pnb_tensor_file_close(file);
    free(name);
    if (status == PNB_OK) return PNB_OK;
    pnb_prior_destroy(out, NULL);
    if (err && !strstr(err->message, path)) pnb_error_prefix(err, "prior '%s': ", path);
    return status;
}

void pnb_prior_set_half(pnb_prior *prior, bool half) { prior->half = half && prior->kind == PNB_PRIOR_UNET; }
bool pnb_prior_half(const pnb_prior *prior) { return prior->half; }

pnb_status pnb_prior_commit(pnb_prior *prior, pnb_gpu *gpu) {
    return pnb_weights_commit(&prior->weights, gpu);
}

/* ---- facts --------------------------------------------------------------------------------------------------------
 */

bool pnb_prior_is_generator(const pnb_prior *prior) { return prior->generator; }

pnb_prior_kind pnb_prior_get_kind(const pnb_prior *prior) {
    return prior->kind;
}
const char *pnb_prior_architecture(const pnb_prior *prior) {
    return prior->architecture;
}
const pnb_schedule *pnb_prior_schedule(const pnb_prior *prior) {
    return &prior->schedule;
}
pnb_error *pnb_prior_error(const pnb_prior *prior) {
    return prior->err;
}
pnb_store *pnb_prior_store(pnb_prior *prior) {
    return prior->weights.store;
}
const pnb_gmm *pnb_prior_gmm(const pnb_prior *prior) {
    return prior->kind == PNB_PRIOR_GMM ? &prior->gmm : NULL;
}
uint32_t pnb_prior_channels(const pnb_prior *prior) {
    return prior->unet.in_channels;
}
uint32_t pnb_prior_size_hint(const pnb_prior *prior) {
    return prior->size_hint;
}
double pnb_prior_fov_uas(const pnb_prior *prior, uint32_t width) {
    return prior->size_hint ? prior->fov_uas * width / prior->size_hint : 0;
}
double pnb_prior_pixel_nm(const pnb_prior *prior) {
    return prior->pixel_nm;
}
uint32_t pnb_prior_multiple(const pnb_prior *prior) {
    return prior->kind == PNB_PRIOR_UNET ? 1u << (prior->unet.levels - 1) : 1;
}
uint32_t pnb_prior_padded(const pnb_prior *prior, uint32_t side) {
    uint32_t multiple = pnb_prior_multiple(prior);
    if (prior->tile && side > prior->tile) return side;
    return (side + multiple - 1) / multiple * multiple;
}
pnb_status pnb_prior_set_tiles(pnb_prior *prior, uint32_t tile, uint32_t overlap) {
    uint32_t multiple = pnb_prior_multiple(prior);
    if (tile == 0) {
        prior->tile = prior->overlap = 0;
        return PNB_OK;
    }
    if (prior->kind != PNB_PRIOR_UNET) return pnb_fail(prior->err, PNB_ERROR_INPUT, "prior: only images are cut into tiles");
    if (tile % multiple || overlap == 0 || overlap > tile / 2)
        return pnb_fail(prior->err, PNB_ERROR_INPUT,
                        "prior: tile %u and overlap %u: expected a multiple of %u and an overlap of 1 to half of it", tile, overlap,
                        multiple);
    prior->tile = tile;
    prior->overlap = overlap;
    return PNB_OK;
}
void pnb_prior_get_tiles(const pnb_prior *prior, uint32_t *tile, uint32_t *overlap) {
    *tile = prior->tile;
    *overlap = prior->overlap;
}
uint32_t pnb_prior_classes(const pnb_prior *prior) {
    return prior->unet.classes;
}
const char *pnb_prior_describe(const pnb_prior *prior) {
    return prior->describe;
}

uint32_t pnb_prior_dim(const pnb_prior *prior) {
    return prior->kind == PNB_PRIOR_GMM ? prior->gmm.dim : prior->mlp.dim;
}

uint32_t pnb_prior_inputs(const pnb_prior *prior) {
    return prior->kind == PNB_PRIOR_GMM ? prior->gmm.dim : prior->mlp.inputs;
}

uint32_t pnb_prior_out_channels(const pnb_prior *prior) {
    return prior->kind == PNB_PRIOR_UNET ? prior->unet.out_channels : pnb_prior_dim(prior);
}

uint64_t pnb_prior_parameters(const pnb_prior *prior) {
    return pnb_weights_elements(&prior->weights);
}

uint64_t pnb_prior_hash(const pnb_prior *prior) {
    return prior->weights.hash + prior->half; /* as its programs see them */
}

/* ---- the noise prediction -----------------------------------------------------------------------------------------
 */

static pnb_status check_vectors(const pnb_prior *p, pnb_graph *g, pnb_tensor x, pnb_level level) {
    pnb_error *err = pnb_graph_error(g);
    PNB_TRY(pnb_graph_check(g, "prior", "x", x));
    PNB_TRY(pnb_graph_check(g, "prior", "alpha", level.alpha));
    PNB_TRY(pnb_graph_check(g, "prior", "sigma", level.sigma));
    pnb_shape s = pnb_graph_shape(g, x), one = pnb_shape1(s.d[0]);
    if (s.rank != 2 || s.d[1] != pnb_prior_inputs(p))
        return pnb_fail(err, PNB_ERROR_INPUT, "prior: expects vectors [N,%u], found %s", pnb_prior_inputs(p),
                        pnb_shape_text(s, (char[64]){0}));
    if (!pnb_shape_equal(pnb_graph_shape(g, level.alpha), one) ||
        !pnb_shape_equal(pnb_graph_shape(g, level.sigma), one))
        return pnb_fail(err, PNB_ERROR_INPUT, "prior: alpha and sigma should both be [%u]", s.d[0]);
    return PNB_OK;
}

static pnb_status check_adapter(const pnb_prior *p, pnb_graph *g, pnb_tensor x, const pnb_eps_params *params) {
    if (!params->adapter) return PNB_OK;
    if (params->conditional != (params->adapter->params.condition > 0))
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_USAGE, "prior: the adapter %s a condition",
                        params->conditional ? "takes no" : "needs");
    if (params->adapter->prior != p)
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_USAGE, "prior: the adapter was made for another prior");
    uint32_t rows = pnb_graph_shape(g, x).d[0];
    if (params->adapter_begin >= rows)
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_USAGE, "prior: the adapter begins at row %u of %u",
                        params->adapter_begin, rows);
    return PNB_OK;
}

static pnb_status whole_eps(pnb_prior *prior, pnb_graph *g, pnb_tensor x, pnb_level level, const pnb_eps_params *params,
                            pnb_tensor *eps) {
    static const pnb_eps_params plain = {.label = PNB_NONE};
    if (!params) params = &plain;
    if (prior->kind != PNB_PRIOR_UNET) {
        PNB_TRY(check_vectors(prior, g, x, level));
        if (params->label != PNB_NONE)
            return pnb_fail(pnb_graph_error(g), PNB_ERROR_USAGE, "prior: it knows no classes, give none");
    } else {
        PNB_TRY(pnb_graph_check(g, "prior", "x", x));
    }
    PNB_TRY(check_adapter(prior, g, x, params));
    bool low_rank = prior->kind == PNB_PRIOR_UNET && !(params->adapter && pnb_adapter_is_copy(params->adapter));
    if (params->adapter && !low_rank) return pnb_adapter_whole_eps(prior, g, x, level, params, eps);
    if (low_rank) return pnb_unet_eps(prior, &prior->weights, g, x, level, params, eps);
    if (prior->kind == PNB_PRIOR_MLP) return pnb_mlp_eps(&prior->weights, prior->mlp, g, x, level, eps);
    return pnb_gmm_graph_eps(prior, g, x, level, eps);
}

/* One value a sample, [N], for each of its tiles, [N*tiles]. */
static pnb_status spread_over_tiles(pnb_graph *g, uint32_t tiles, pnb_tensor *v) {
    pnb_tensor ones, column;
    if (*v == PNB_NONE) return PNB_OK;
    uint32_t n = pnb_graph_shape(g, *v).d[0];
    PNB_TRY(pnb_constant(g, pnb_shape2(1, tiles), 1, &ones));
    PNB_TRY(pnb_graph_reshape(g, *v, pnb_shape2(n, 1), &column));
    PNB_TRY(pnb_matmul(g, column, ones, false, false, 1, v));
    return pnb_graph_reshape(g, *v, pnb_shape1(n * tiles), v);
}

/* So many tiles at a time that no tensor of the network is larger than the device binds: the widest are a few times as wide as its
 * first layer, workspace of convolutions included. */
static uint32_t tiles_at_once(const pnb_prior *prior, pnb_graph *g, const pnb_tiling *t) {
    enum { WIDER = 8 };
    uint32_t width = prior->unet.n_layers ? prior->unet.layers[0].out : 1;
    uint64_t tile = (uint64_t)t->tile_height * t->tile_width * sizeof(float) * WIDER * (width ? width : 1);
    uint64_t n = pnb_graph_caps(g)->max_binding_bytes / tile;
    return n < 1 ? 1 : n > 4096 ? 4096 : (uint32_t)n;
}

static pnb_status slice_rows(pnb_graph *g, uint32_t begin, uint32_t count, pnb_tensor *t) {
    return *t == PNB_NONE ? PNB_OK : pnb_slice(g, *t, 0, begin, count, t);
}

/* eps of rows [begin, begin + count) of x and of level. */
static pnb_status chunk_eps(pnb_prior *prior, pnb_graph *g, pnb_tensor x, pnb_level level, pnb_eps_params params, uint32_t begin,
                            uint32_t count, pnb_tensor *eps) {
    PNB_TRY(slice_rows(g, begin, count, &x));
    PNB_TRY(slice_rows(g, begin, count, &level.t));
    PNB_TRY(slice_rows(g, begin, count, &level.alpha));
    PNB_TRY(slice_rows(g, begin, count, &level.sigma));
    PNB_TRY(slice_rows(g, begin, count, &params.label));
    if (params.adapter_begin >= begin + count) params.adapter = NULL;
    params.adapter_begin = params.adapter && params.adapter_begin > begin ? params.adapter_begin - begin : 0;
    return whole_eps(prior, g, x, level, &params, eps);
}

/* parts[0] becomes all n one behind the other. */
static pnb_status join_rows(pnb_graph *g, pnb_tensor *parts, uint32_t n) {
    enum { AT_ONCE = 8 };
    while (n > 1) {
        uint32_t joined = 0;
        for (uint32_t i = 0; i < n; i += AT_ONCE) {
            pnb_tensor part;
            PNB_TRY(pnb_concat(g, 0, parts + i, n - i < AT_ONCE ? n - i : AT_ONCE, &part));
            parts[joined++] = part;
        }
        n = joined;
    }
    return PNB_OK;
}

static pnb_status eps_in_chunks(pnb_prior *prior, pnb_graph *g, pnb_tensor x, pnb_level level, const pnb_eps_params *params, uint32_t most,
                                pnb_tensor *eps) {
    uint32_t rows = pnb_graph_shape(g, x).d[0], n = (rows + most - 1) / most;
    if (n == 1) return whole_eps(prior, g, x, level, params, eps);
    pnb_tensor *parts = malloc(n * sizeof *parts);
    if (!parts) return pnb_fail(pnb_graph_error(g), PNB_ERROR_OUT_OF_MEMORY, "prior: no host memory");
    pnb_status status = PNB_OK;
    for (uint32_t i = 0; i < n && status == PNB_OK; i++) {
        uint32_t begin = i * most, count = rows - begin < most ? rows - begin : most;
        status = chunk_eps(prior, g, x, level, *params, begin, count, &parts[i]);
    }
    if (status == PNB_OK) status = join_rows(g, parts, n);
    *eps = parts[0];
    free(parts);
    return status;
}

/* eps of each tile, blended: all tiles see the same x_t, so their noise agrees where they overlap. */
static pnb_status tiled_eps(pnb_prior *prior, pnb_graph *g, pnb_tensor x, pnb_level level, const pnb_eps_params *params, pnb_tensor *eps) {
    pnb_shape s = pnb_graph_shape(g, x);
    pnb_eps_params of_tiles = params ? *params : (pnb_eps_params){.label = PNB_NONE};
    pnb_tiling t;
    PNB_TRY(pnb_tiling_make(pnb_graph_error(g), s.d[2], s.d[3], prior->tile, prior->overlap, &t));
    uint32_t tiles = t.rows * t.columns;
    of_tiles.adapter_begin *= tiles;
    PNB_TRY(pnb_tile(g, x, &t, &x));
    PNB_TRY(spread_over_tiles(g, tiles, &level.t));
    PNB_TRY(spread_over_tiles(g, tiles, &level.alpha));
    PNB_TRY(spread_over_tiles(g, tiles, &level.sigma));
    PNB_TRY(spread_over_tiles(g, tiles, &of_tiles.label));
    PNB_TRY(eps_in_chunks(prior, g, x, level, &of_tiles, tiles_at_once(prior, g, &t), eps));
    return pnb_tile_blend(g, *eps, &t, eps);
}

pnb_status pnb_prior_eps(pnb_prior *prior, pnb_graph *g, pnb_tensor x, pnb_level level, const pnb_eps_params *params,
                         pnb_tensor *eps) {
    PNB_TRY(pnb_graph_check(g, "prior", "x", x));
    pnb_shape s = pnb_graph_shape(g, x);
    bool larger = prior->tile && s.rank == 4 && (s.d[2] > prior->tile || s.d[3] > prior->tile);
    return larger ? tiled_eps(prior, g, x, level, params, eps) : whole_eps(prior, g, x, level, params, eps);
}
