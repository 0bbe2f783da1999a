/* Scores of images from an interferometer, as InverseBench has them (algorithms.md section 5). */
#include "api/sky.h"

#include "eval/ring.h"
#include "io/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double sigma_of(const pnb_sky_images *i, double fwhm_uas) {
    return fwhm_uas / 2.354820045 / i->pixel_uas;
}

/* At the resolution that the EHT reaches; dirty is as it is. */
static pnb_status add_correlations(pnb_error *err, const pnb_sky_images *i, const double *truth, double *one, cJSON *scores) {
    double best = -INFINITY, found = 0, sigma = sigma_of(i, 20);
    size_t n = (size_t)i->height * i->width;
    for (uint32_t k = 0; k <= i->count; k++) {
        pnb_unit_range(n, k < i->count ? i->samples + k * n : i->mean, one);
        PNB_TRY(pnb_nxcorr_aligned(err, i->height, i->width, one, truth, sigma, &found));
        if (k < i->count) best = fmax(best, found);
    }
    pnb_json_number(scores, "nxcorr_blurred_20uas_best", best);
    pnb_json_number(scores, "nxcorr_blurred_20uas_mean", found);
    if (!i->dirty) return PNB_OK;
    PNB_TRY(pnb_nxcorr_aligned(err, i->height, i->width, i->dirty, truth, sigma, &found));
    pnb_json_number(scores, "nxcorr_blurred_20uas_dirty", found);
    return PNB_OK;
}

/* Where the truth is above a tenth of its peak. */
static void add_coverage(const pnb_sky_images *i, const double *truth, cJSON *scores) {
    size_t n = (size_t)i->height * i->width, support = 0, inside = 0;
    double top = 0;
    for (size_t p = 0; p < n; p++) top = fmax(top, truth[p]);
    for (size_t p = 0; p < n; p++) {
        double sum = 0, squares = 0;
        if (i->count < 2 || truth[p] <= 0.1 * top) continue;
        for (uint32_t k = 0; k < i->count; k++) sum += i->samples[k * n + p] / i->count;
        for (uint32_t k = 0; k < i->count; k++) squares += pow(i->samples[k * n + p] - sum, 2) / (i->count - 1.0);
        support++;
        inside += fabs(sum - i->truth[p]) <= 2 * sqrt(squares);
    }
    if (support) pnb_json_number(scores, "coverage_2sigma_support", (double)inside / (double)support);
}

/* Best over samples, and of the mean; images in [0,1]. */
pnb_status pnb_sky_likeness(pnb_error *err, const pnb_sky_images *i, cJSON *scores) {
    static const struct {
        const char *best, *mean;
        double fwhm;
    } kinds[] = {{"psnr_aligned_best", "psnr_aligned_mean", 0},
                 {"psnr_blurred_10uas_best", "psnr_blurred_10uas_mean", 10},
                 {"psnr_blurred_15uas_best", "psnr_blurred_15uas_mean", 15},
                 {"psnr_blurred_20uas_best", "psnr_blurred_20uas_mean", 20}};
    size_t n = (size_t)i->height * i->width;
    double *truth = malloc(2 * n * sizeof *truth), *one = truth + n;
    if (!truth) return pnb_no_memory(err, "scores");
    pnb_status status = PNB_OK;
    pnb_unit_range(n, i->truth, truth);
    for (size_t kind = 0; status == PNB_OK && kind < sizeof kinds / sizeof *kinds; kind++) {
        double best = -INFINITY, psnr = 0, sigma = sigma_of(i, kinds[kind].fwhm);
        for (uint32_t k = 0; status == PNB_OK && k <= i->count; k++) {
            pnb_unit_range(n, k < i->count ? i->samples + k * n : i->mean, one);
            status = pnb_psnr_aligned(err, i->height, i->width, one, truth, sigma, &psnr);
            if (k < i->count) best = fmax(best, psnr);
        }
        pnb_json_number(scores, kinds[kind].best, best);
        pnb_json_number(scores, kinds[kind].mean, psnr);
    }
    if (status == PNB_OK) status = add_correlations(err, i, truth, one, scores);
    add_coverage(i, truth, scores);
    free(truth);
    return status;
}

void pnb_sky_agreement(const cJSON *chi2_terms, cJSON *scores) {
    const cJSON *term, *chi2;
    cJSON_ArrayForEach(term, chi2_terms) {
        double best = INFINITY, sum = 0;
        int n = 0;
        char key[64];
        cJSON_ArrayForEach(chi2, term) {
            double normalised = fmax(chi2->valuedouble, 1 / chi2->valuedouble);
            best = fmin(best, normalised);
            sum += normalised;
            n++;
        }
        if (n == 0) continue;
        snprintf(key, sizeof key, "chi2_%.40s_best", term->string);
        pnb_json_number(scores, key, best);
        snprintf(key, sizeof key, "chi2_%.40s_samples", term->string);
        pnb_json_number(scores, key, sum / n);
    }
}
