/* Noise schedules: betas, what follows from them, respacing, and the continuous VP and EDM views (algorithms.md 1). */
#include "prior/schedule.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const double PI = 3.14159265358979323846;
static const double VP_BETA_D = 19.9, VP_BETA_MIN = 0.1;

/* One block for all tables of doubles; beta owns it. */
static pnb_status allocate(pnb_error *err, pnb_schedule_kind kind, uint32_t steps, pnb_schedule *out) {
    memset(out, 0, sizeof *out);
    double *block = calloc((size_t)steps * 10, sizeof *block);
    uint32_t *map = calloc(steps, sizeof *map);
    if (!block || !map) {
        free(block);
        free(map);
        return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "schedule: no memory for %u steps", steps);
    }
    double **table[10] = {&out->beta,
                          &out->alpha_bar,
                          &out->alpha,
                          &out->sigma,
                          &out->rho,
                          &out->lambda,
                          &out->posterior_variance,
                          &out->posterior_log_variance_clipped,
                          &out->posterior_mean_coef1,
                          &out->posterior_mean_coef2};
    for (size_t i = 0; i < 10; i++) *table[i] = block + i * steps;
    out->kind = kind;
    out->steps = steps;
    out->timestep_map = map;
    return PNB_OK;
}

/* Everything else from beta (Ho et al. 2020, equations 4 and 7). */
static void fill_tables(pnb_schedule *s) {
    double product = 1.0;
    for (uint32_t t = 0; t < s->steps; t++) {
        double previous = product, beta = s->beta[t];
        product *= 1.0 - beta;
        double noise = 1.0 - product;
        s->alpha_bar[t] = product;
        s->alpha[t] = sqrt(product);
        s->sigma[t] = sqrt(noise);
        s->rho[t] = s->sigma[t] / s->alpha[t];
        s->lambda[t] = log(product / noise);
        s->posterior_variance[t] = beta * (1.0 - previous) / noise;
        s->posterior_mean_coef1[t] = beta * sqrt(previous) / noise;
        s->posterior_mean_coef2[t] = (1.0 - previous) * sqrt(1.0 - beta) / noise;
    }
    /* The variance at t = 0 is zero: its log takes the next entry, so that it stays finite. */
    for (uint32_t t = 0; t < s->steps; t++) {
        uint32_t k = t == 0 && s->steps > 1 ? 1 : t;
        s->posterior_log_variance_clipped[t] = log(s->posterior_variance[k]);
    }
}

static double cosine_alpha_bar(double u) {
    double c = cos((u + 0.008) / 1.008 * PI / 2);
    return c * c;
}

pnb_status pnb_schedule_init(pnb_error *err, pnb_schedule_kind kind, uint32_t steps, pnb_schedule *out) {
    memset(out, 0, sizeof *out);
    if (steps < 1 || steps > 1000000)
        return pnb_fail(err, PNB_ERROR_USAGE, "schedule: steps must be 1 to 1000000, found %u", steps);
    PNB_TRY(allocate(err, kind, steps, out));
    double first = 0.1 / steps, last = 20.0 / steps;
    for (uint32_t t = 0; t < steps; t++) {
        out->timestep_map[t] = t;
        if (kind == PNB_SCHEDULE_LINEAR)
            out->beta[t] = steps == 1 ? first : t == steps - 1 ? last : first + t * ((last - first) / (steps - 1));
        else
            out->beta[t] = fmin(1.0 - cosine_alpha_bar((t + 1.0) / steps) / cosine_alpha_bar((double)t / steps), 0.999);
    }
    fill_tables(out);
    return PNB_OK;
}

void pnb_schedule_finish(pnb_schedule *s) {
    if (!s) return;
    free(s->beta);
    free(s->timestep_map);
    memset(s, 0, sizeof *s);
}

/* ---- respacing --------------------------------------------------------------------------------------------------- */

static pnb_status parse_count(pnb_error *err, const char *spec, const char **at, uint32_t *out) {
    char *end = NULL;
    unsigned long value = **at >= '0' && **at <= '9' ? strtoul(*at, &end, 10) : 0;
    if (!end || end == *at || value > 1000000)
        return pnb_fail(err, PNB_ERROR_USAGE, "schedule: respacing '%s' is not a number, a list of numbers, or ddimN",
                        spec);
    *out = (uint32_t)value;
    *at = end;
    return PNB_OK;
}

/* The smallest stride that keeps exactly `wanted` of range(0, steps, stride). */
static pnb_status keep_ddim(pnb_error *err, uint32_t steps, uint32_t wanted, bool *keep) {
    for (uint32_t stride = 1; stride <= steps; stride++) {
        if ((steps + stride - 1) / stride != wanted) continue;
        for (uint32_t t = 0; t < steps; t += stride) keep[t] = true;
        return PNB_OK;
    }
    return pnb_fail(err, PNB_ERROR_USAGE, "schedule: no whole stride keeps exactly %u of %u steps", wanted, steps);
}

/* Sections of nearly equal size, each thinned to its count. The position is accumulated and rounded half to even,
 * because guided-diffusion's choice of steps depends on both. */
static pnb_status keep_sections(pnb_error *err, uint32_t steps, const char *spec, bool *keep) {
    uint32_t sections = 1;
    for (const char *c = spec; *c; c++) sections += *c == ',';
    if (sections > steps)
        return pnb_fail(err, PNB_ERROR_USAGE, "schedule: respacing '%s' has more sections than the %u steps", spec,
                        steps);
    uint32_t start = 0;
    const char *at = spec;
    for (uint32_t i = 0; i < sections; i++) {
        uint32_t size = steps / sections + (i < steps % sections ? 1 : 0), count = 0;
        PNB_TRY(parse_count(err, spec, &at, &count));
        if (*at != (i + 1 < sections ? ',' : '\0'))
            return pnb_fail(err, PNB_ERROR_USAGE, "schedule: respacing '%s' is not a list of numbers", spec);
        at++;
        if (count > size)
            return pnb_fail(err, PNB_ERROR_USAGE, "schedule: respacing '%s' asks for %u of the %u steps of a section",
                            spec, count, size);
        double stride = count <= 1 ? 1.0 : (size - 1.0) / (count - 1.0), position = 0.0;
        for (uint32_t k = 0; k < count; k++, position += stride) keep[start + (uint32_t)nearbyint(position)] = true;
        start += size;
    }
    return PNB_OK;
}

pnb_status pnb_schedule_respace(pnb_error *err, const pnb_schedule *full, const char *spec, pnb_schedule *out) {
    memset(out, 0, sizeof *out);
    bool *keep = calloc(full->steps, sizeof *keep);
    if (!keep) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "schedule: no memory for %u steps", full->steps);
    pnb_status status = PNB_OK;
    if (strncmp(spec, "ddim", 4) == 0) {
        const char *at = spec + 4;
        uint32_t wanted = 0;
        PNB_TRY_GOTO(parse_count(err, spec, &at, &wanted));
        PNB_TRY_GOTO(*at ? pnb_fail(err, PNB_ERROR_USAGE, "schedule: respacing '%s' is not ddimN", spec) : PNB_OK);
        PNB_TRY_GOTO(keep_ddim(err, full->steps, wanted, keep));
    } else {
        PNB_TRY_GOTO(keep_sections(err, full->steps, spec, keep));
    }
    uint32_t kept = 0;
    for (uint32_t t = 0; t < full->steps; t++) kept += keep[t];
    PNB_TRY_GOTO(kept ? PNB_OK : pnb_fail(err, PNB_ERROR_USAGE, "schedule: respacing '%s' keeps no step", spec));
    PNB_TRY_GOTO(allocate(err, full->kind, kept, out));
    double previous = 1.0;
    for (uint32_t t = 0, k = 0; t < full->steps; t++) {
        if (!keep[t]) continue;
        out->beta[k] = 1.0 - full->alpha_bar[t] / previous;
        out->timestep_map[k++] = full->timestep_map[t];
        previous = full->alpha_bar[t];
    }
    fill_tables(out);
    out->time = full->time;
fail:
    free(keep);
    return status;
}

uint32_t pnb_schedule_index_of_rho(const pnb_schedule *s, double rho) {
    uint32_t low = 0, high = s->steps - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->rho[middle] >= rho)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

double pnb_schedule_time(const pnb_schedule *s, uint32_t t) {
    return s->time == PNB_TIME_INDEX ? s->timestep_map[t] : pnb_time_of_sigma(s->time, s->rho[t]);
}

double pnb_schedule_t_of_rho(const pnb_schedule *s, double rho) {
    uint32_t above = pnb_schedule_index_of_rho(s, rho), below = above ? above - 1 : 0;
    if (rho >= s->rho[above] || rho <= s->rho[0]) return pnb_schedule_time(s, above);
    if (s->time != PNB_TIME_INDEX) return pnb_time_of_sigma(s->time, rho);
    double low = log(s->alpha_bar[below]), part = (-log1p(rho * rho) - low) / (log(s->alpha_bar[above]) - low);
    return (1 - part) * s->timestep_map[below] + part * s->timestep_map[above];
}

/* ---- continuous views -------------------------------------------------------------------------------------------- */

double pnb_vp_sigma_of_tau(double tau) {
    return sqrt(expm1(0.5 * VP_BETA_D * tau * tau + VP_BETA_MIN * tau));
}

double pnb_vp_tau_of_sigma(double sigma) {
    return (sqrt(VP_BETA_MIN * VP_BETA_MIN + 2.0 * VP_BETA_D * log1p(sigma * sigma)) - VP_BETA_MIN) / VP_BETA_D;
}

double pnb_time_of_sigma(pnb_time time, double sigma) {
    return time == PNB_TIME_EDM ? 0.25 * log(sigma) : 999.0 * pnb_vp_tau_of_sigma(sigma);
}

void pnb_edm_sigmas(uint32_t n, double sigma_min, double sigma_max, double *out) {
    double low = pow(sigma_min, 1.0 / 7.0), high = pow(sigma_max, 1.0 / 7.0);
    for (uint32_t i = 0; i < n; i++) out[i] = pow(n == 1 ? high : high + i / (n - 1.0) * (low - high), 7.0);
}
