/* Poisson-Gaussian noise: its density on the device from elementwise ops, its draws on the host. */
#include "measure/photons.h"

#include "base/philox.h"
#include "base/poisson.h"
#include "ops/ops.h"

#include <math.h>

static double variance(const pnb_photons *p, double m) {
    return fmax(m - p->zero, 0) / p->gain + p->sigma * p->sigma;
}

double pnb_photons_level(const pnb_photons *p, const pnb_operator *op, const float *y) {
    const float *measured = pnb_operator_measured(op);
    uint64_t m = pnb_shape_count(pnb_operator_measurement_shape(op)), n = 0;
    double sum = 0;
    for (uint64_t i = 0; y && i < m; i++) {
        if (measured && measured[i] == 0) continue;
        sum += variance(p, y[i]);
        n++;
    }
    return sqrt(n ? sum / (double)n : variance(p, 0.5 * (1 + p->zero)));
}

pnb_status pnb_photons_loss(pnb_graph *g, const pnb_photons *p, pnb_tensor ax, pnb_tensor y, pnb_tensor extra,
                            pnb_tensor *loss) {
    pnb_tensor d, light, v, log_v;
    double sigma2 = p->sigma * p->sigma; /* v is kept in units of it, where float has room */
    PNB_TRY(pnb_sub(g, ax, y, &d));
    PNB_TRY(pnb_affine(g, d, (float)(1 / p->sigma), 0, &d));
    PNB_TRY(pnb_unary_op(g, PNB_SQUARE, d, &d));
    PNB_TRY(pnb_affine(g, ax, 1, (float)-p->zero, &light));
    PNB_TRY(pnb_unary_op(g, PNB_RELU, light, &light));
    PNB_TRY(pnb_affine(g, light, (float)(1 / (p->gain * sigma2)), 1, &v));
    if (extra != PNB_NONE) {
        PNB_TRY(pnb_affine(g, extra, (float)(1 / sigma2), 0, &extra));
        PNB_TRY(pnb_add(g, v, extra, &v));
    }
    PNB_TRY(pnb_binary_op(g, PNB_DIV, d, v, &d));
    PNB_TRY(pnb_unary_op(g, PNB_LOG, v, &log_v));
    return pnb_add(g, d, log_v, loss);
}

double pnb_photons_hidden(const pnb_photons *p) {
    return log(variance(p, 0) / (p->sigma * p->sigma));
}

void pnb_photons_residual_host(const pnb_photons *p, double level, uint64_t n, uint64_t m, const float *ax, const float *y, float *r) {
    for (uint64_t i = 0; i < n; i++) r[i] = (float)(((double)ax[i] - y[i % m]) * level / sqrt(variance(p, ax[i])));
}

void pnb_photons_draw(const pnb_photons *p, uint64_t seed, uint32_t stream, uint64_t n, float *y) {
    for (uint64_t i = 0; i < n; i++) {
        float normal;
        pnb_fill_normal(seed, stream, 0, i, &normal, 1);
        double counts = pnb_poisson(seed, stream, (uint32_t)i, p->gain * (y[i] - p->zero));
        y[i] = (float)(p->zero + counts / p->gain + p->sigma * (double)normal);
    }
}
