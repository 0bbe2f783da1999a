/* Poisson counts: a search through the distribution where the mean is small, rejection where it is not. */
#include "base/poisson.h"

#include "base/philox.h"

#include <math.h>

/* Two uniform numbers in (0,1) of trial `trial`. Normal and uniform draws have 0 in the counter's last word. */
static void two(uint64_t seed, uint32_t stream, uint32_t element, uint32_t trial, double u[2]) {
    uint32_t counter[4] = {element, trial, stream, 1}, key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, words[4];
    pnb_philox(counter, key, words);
    u[0] = (words[0] + 0.5) * 0x1p-32;
    u[1] = (words[1] + 0.5) * 0x1p-32;
}

static double search(double u, double mean) {
    double p = exp(-mean), sum = p, k = 0;
    while (u > sum && k < 200) {
        k += 1;
        p *= mean / k;
        sum += p;
    }
    return k;
}

/* ln k!, by Stirling's series from 10 on (error below 1e-10). */
static double log_factorial(double k) {
    double n = k + 1, sum = 0;
    while (n < 10) sum -= log(n++);
    double i = 1 / n, i2 = i * i;
    return sum + (n - 0.5) * log(n) - n + 0.918938533204672742 + i * (1 / 12.0 - i2 * (1 / 360.0 - i2 / 1260));
}

static double rejection(uint64_t seed, uint32_t stream, uint32_t element, double mean) {
    double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b;
    double alpha = 1.1239 + 1.1328 / (b - 3.4), squeeze = 0.9277 - 3.6224 / (b - 2), u[2];
    for (uint32_t trial = 0;; trial++) {
        two(seed, stream, element, trial, u);
        double side = u[0] - 0.5, tail = 0.5 - fabs(side);
        double k = floor((2 * a / tail + b) * side + mean + 0.43);
        if (tail >= 0.07 && u[1] <= squeeze) return k;
        if (k < 0 || (tail < 0.013 && u[1] > tail)) continue;
        if (log(u[1] * alpha / (a / (tail * tail) + b)) <= k * log(mean) - mean - log_factorial(k)) return k;
    }
}

double pnb_poisson(uint64_t seed, uint32_t stream, uint32_t element, double mean) {
    double u[2];
    if (!(mean > 0)) return 0;
    mean = fmin(mean, 1e15);
    if (mean >= 10) return rejection(seed, stream, element, mean);
    two(seed, stream, element, 0, u);
    return search(u[0], mean);
}
