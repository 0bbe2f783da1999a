/* PPM, amortised (algorithms.md 2.8; arXiv 2605.25042): see amortized.h. preset = paper is its text with the settings
 * of 2.8: tanh map with noise .1, the score of all samples together, every noise level alike. */
#include "solve/amortized.h"
#include "solve/pigdm.h"

#include <math.h>
#include <string.h>

/* 2 % to 98 % of the schedule. */
static void resolve_paper(const pnb_task *task, const bool *given, pnb_amortized_options *o) {
    const pnb_schedule *s = pnb_prior_schedule(task->prior);
    const pnb_option_value paper[] = {{"auxiliary", PNB_AUXILIARY_MARGINAL},
                                    {"map", PNB_MAP_TANH},
                                    {"lr", 1e-5},
                                    {"aux_lr", 1e-5},
                                    {"lr_hold", 1},
                                    {"ema", 0.9999},
                                    {"weight", PNB_WEIGHT_CONSTANT},
                                    {"t_order", PNB_T_UNIFORM},
                                    {"anneal", 0},
                                    {"rho_end", s->rho[s->steps / 50]},
                                    {"rho_ratio", 0},
                                    {"rho_max", s->rho[s->steps - 1 - s->steps / 50]},
                                    {"aux_steps", 1},
                                    {"aux_warmup", 0}};
    pnb_amortized_prefer(given, o, paper, sizeof paper / sizeof *paper);
}

/* Of images (levels and ends of windows: assets/ppm.md). The auxiliary network learns what the untrained generator makes before that
 * moves (with 50 steps of it, box inpainting lost 1.3 dB in its first 120 updates) and keeps up with it afterwards. A window that ends at
 * three of sigma_y leaves most of y's noise in what is measured; in super-resolution, whose y has little of it, 0.04 learned slower than
 * 0.15. In a hole the network is asked at a level at which shapes form. Where part of the image is unseen, y is trusted in what it sees;
 * where A is a blur, it weighs as much as the network's image, for more would put y's noise into it. Denoising: the guess is y, and with
 * as much noise again x_t at that level. */
static void resolve_images(const pnb_task *task, const bool *given, pnb_amortized_options *o) {
    double sigma = task->sigma_y;
    bool unseen = pnb_operator_measured_count(task->op) < pnb_shape_count(pnb_operator_image_shape(task->op));
    bool hole = pnb_operator_measured(task->op);
    double least = hole ? 0.1 : unseen ? 0.15 : 0.04; /* of the window's end */
    const pnb_option_value images[] = {{"lr", 2e-4},      {"aux_lr", 2e-3}, {"aux_steps", 2},
                                       {"aux_warmup", 250}, {"clip", 20},   {"rho_end", fmax(least, 0.2 * sigma)}};
    pnb_amortized_prefer(given, o, images, sizeof images / sizeof *images);
    if (sigma > 0 && strcmp(pnb_operator_name(task->op), "identity") == 0) {
        const pnb_option_value denoising[] = {{"noise", sigma}, {"rho", sqrt(2) * sigma}};
        pnb_amortized_prefer(given, o, denoising, 2);
    } else if (sigma > 0 && pnb_pigdm_fits(task)) {
        pnb_amortized_prefer(given, o, &(pnb_option_value){"consistency", unseen ? 4 * sigma : sigma}, 1);
    }
    if (o->consistency > 0) {
        pnb_amortized_prefer(given, o, &(pnb_option_value){"input", hole || !unseen ? PNB_INPUT_DRAW : PNB_INPUT_GUESS}, 1);
        if (hole) pnb_amortized_prefer(given, o, &(pnb_option_value){"rho", 2}, 1);
    }
    if (hole) /* its coarse shape is not in the guess */
        pnb_amortized_prefer(given, o, &(pnb_option_value){"rho_start", 5}, 1);
}

static void resolve(const pnb_task *task, const bool *given, void *options) {
    pnb_amortized_options *o = options;
    pnb_amortized_scale(task, given, o);
    if (o->preset == PNB_PRESET_PAPER) resolve_paper(task, given, o);
    else if (!pnb_prior_dim(task->prior)) resolve_images(task, given, o);
    pnb_amortized_settle(task, o);
}

static pnb_status check(pnb_error *err, const pnb_task *task, const void *options) {
    return pnb_amortized_check(err, task, options);
}

static pnb_status create(pnb_error *err, const pnb_task *task, const void *options, pnb_solver **out) {
    return pnb_amortized_create(err, task, "ppm_amortized", PNB_MATCH_THEOREM1, options, out);
}

const pnb_method pnb_method_ppm_amortized = {
    .name = "ppm_amortized",
    .summary =
        "posterior matching of a network that makes a sample in one evaluation; penumbra amortize trains it on many y",
    .table = {pnb_amortized_table, PNB_AMORTIZED_ALL, sizeof(pnb_amortized_options)},
    .create = create,
    .resolve = resolve,
    .check = check,
};
