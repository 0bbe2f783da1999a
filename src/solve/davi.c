/* DAVI (algorithms.md 3.6), without its GAN: a generator as amortized.h has it, moved by the integral KL of
 * Diff-Instruct, w alpha (s_phi - s_theta) = w (alpha/sigma) (eps_theta - eps_phi), both networks forward only. With
 * exact scores its mean is the gradient of w KL(q_t | p_t), so that a shift of q's mean counts sum(w alpha_bar_t) times
 * what it counts in KL(q_0 | p): the prior is tempered, p^beta with that sum for beta (section IV-C of arXiv
 * 2605.25042), and a likelihood of the same weight makes no posterior.
 *
 * Its official settings are the defaults: a full copy for phi, the score of all samples together, w = sigma/alpha,
 * levels up to t_ikl, w_con mean|y - A x_0|^2 beside a mean over pixels. supervised (with truths) is its reg
 * mean|x_clean - x_0|^2; 0, measurements alone, is the default. Not here: the adversarial term, and the bridge from
 * x_clean to y at the input.
 */
#include "solve/amortized.h"

#include <string.h>

/* t_ikl and w_con of each task (FFHQ). */
typedef struct setting {
    const char *op;
    uint32_t t_ikl;
    double w_con;
} setting;
static const setting settings[] = {{"mask_box", 1000, 0.5},     {"mask", 1000, 0.5},      {"mask_random", 1000, 0.5},
                                   {"average_pool", 1000, 0.1}, {"bicubic", 1000, 0.1},   {"identity", 1000, 0.2},
                                   {"gaussian_blur", 400, 0.5}, {"motion_blur", 400, 0.5}};

static const setting *setting_of(const pnb_operator *op) {
    static const setting other = {"", 1000, 0.5};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (strcmp(settings[i].op, pnb_operator_name(op)) == 0) return &settings[i];
    return &other;
}

/* w_con mean(y - A x)^2 + mean over pixels of the rest, times the pixels: what the data term 1/(2 sigma^2) is
 * multiplied by. */
static double data_weight(const pnb_task *task, double w_con, double sigma) {
    double pixels = (double)pnb_shape_count(pnb_operator_image_shape(task->op));
    return 2 * w_con * sigma * sigma * pixels / (double)pnb_operator_measured_count(task->op);
}

static void resolve(const pnb_task *task, const bool *given, void *options) {
    pnb_amortized_options *o = options;
    const pnb_schedule *s = pnb_prior_schedule(task->prior);
    const setting *at = setting_of(task->op);
    uint32_t last = at->t_ikl * s->steps / 1000 - 1;
    double sigma = task->sigma_y > o->sigma_floor ? task->sigma_y : o->sigma_floor;
    const pnb_option_value all[] = {{"auxiliary", PNB_AUXILIARY_MARGINAL},
                                  {"weight", PNB_WEIGHT_CONSTANT},
                                  {"t_order", PNB_T_UNIFORM},
                                  {"anneal", 0},
                                  {"rho_end", s->rho[0]},
                                  {"rho_max", s->rho[last]},
                                  {"rho_ratio", 0},
                                  {"aux_warmup", 0}};
    const pnb_option_value images[] = {{"weight", PNB_WEIGHT_INV_SNR},
                                     {"map", PNB_MAP_TANH},
                                     {"targets", PNB_ADAPT_COPY},
                                     {"aux_lr", 1e-4},
                                     {"lr_hold", 1},
                                     {"ema", 0.9999},
                                     {"data_weight", data_weight(task, at->w_con, sigma)}};
    pnb_amortized_scale(task, given, o);
    pnb_amortized_prefer(given, o, all, sizeof all / sizeof *all);
    if (!pnb_prior_dim(task->prior)) pnb_amortized_prefer(given, o, images, sizeof images / sizeof *images);
    pnb_amortized_settle(task, o);
}

static pnb_status check(pnb_error *err, const pnb_task *task, const void *options) {
    return pnb_amortized_check(err, task, options);
}

static pnb_status create(pnb_error *err, const pnb_task *task, const void *options, pnb_solver **out) {
    return pnb_amortized_create(err, task, "davi", PNB_MATCH_IKL, options, out);
}

const pnb_method pnb_method_davi = {
    .name = "davi",
    .summary = "a generator moved by the integral KL (Diff-Instruct), unsupervised or with truths, without a GAN",
    .table = {pnb_amortized_table, PNB_AMORTIZED_COMMON, sizeof(pnb_amortized_options)},
    .create = create,
    .resolve = resolve,
    .check = check,
};
