/* Random numbers by counter, on the host; line for line the arithmetic of shaders/lib/philox.glsl. */
#include "base/philox.h"

#include <math.h>
#include <string.h>

static void round_once(uint32_t c[4], const uint32_t k[2]) {
    uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k[0], (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ k[1], (uint32_t)a};
    memcpy(c, next, sizeof next);
}

void pnb_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]}, k[2] = {key[0], key[1]};
    for (int i = 0; i < 10; i++) {
        round_once(c, k);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    memcpy(out, c, sizeof c);
}

float pnb_uniform(uint32_t word) { return (float)(word >> 8) * 0x1p-24f; }

/* ln(u) for u in (0,1]: u = 2^e (1+f), 1+f in [sqrt(1/2), sqrt(2)); ln(1+f) = f - f^2/2 + f^3 P(f), P of degree 8 fitted for
 * least relative error (7e-10). */
static float log_unit(float u) {
    uint32_t bits;
    memcpy(&bits, &u, sizeof bits);
    int32_t e = (int32_t)(bits - 0x3f3504f3u) >> 23;
    bits -= (uint32_t)e << 23;
    float m;
    memcpy(&m, &bits, sizeof m);
    float f = m - 1.0f;
    float q = 0.0691518635f;
    q = q * f - 0.117897153f;
    q = q * f + 0.118730091f;
    q = q * f - 0.123843662f;
    q = q * f + 0.142186552f;
    q = q * f - 0.166692495f;
    q = q * f + 0.200022265f;
    q = q * f - 0.249999866f;
    q = q * f + 0.333333105f;
    float ff = f * f;
    float tail = ff * f * q - 0.5f * ff;
    return (float)e * 0.693147182f + (f + tail);
}

/* Two N(0,1) from two words: radius sqrt(-2 ln u), u in (0,1]; angle in 2^-24 of a turn, reduced in integers to an eighth of a
 * turn around the nearest quarter, so that short polynomials serve. */
static void box_muller(uint32_t a, uint32_t b, float out[2]) {
    float r = sqrtf(-2.0f * log_unit((float)((a >> 8) + 1u) * 0x1p-24f));
    uint32_t v = b >> 8, quarter = (v + 0x200000u) >> 22;
    float t = (float)((int32_t)v - (int32_t)(quarter << 22)) * 3.74507039e-7f; /* 2 pi 2^-24 */
    float z = t * t;
    float s = -0.000195172630f;
    s = s * z + 0.008332178f;
    s = s * z - 0.166666552f;
    float sine = t + t * z * s;
    float c = 2.44384082e-05f;
    c = c * z - 0.00138873677f;
    c = c * z + 0.0416666456f;
    float cosine = 1.0f - 0.5f * z + z * z * c;
    float x = quarter & 1u ? sine : cosine, y = quarter & 1u ? cosine : sine;
    if ((quarter + 1u) & 2u) x = -x; /* quarters 1, 2 */
    if (quarter & 2u) y = -y;        /* quarters 2, 3 */
    out[0] = r * x;
    out[1] = r * y;
}

void pnb_normal4(const uint32_t words[4], float out[4]) {
    box_muller(words[0], words[1], out);
    box_muller(words[2], words[3], out + 2);
}

static void four(uint64_t seed, uint32_t stream, uint32_t step, uint64_t element, uint32_t words[4]) {
    uint32_t counter[4] = {(uint32_t)(element / 4), step, stream, 0}, key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    pnb_philox(counter, key, words);
}

void pnb_fill_uniform(uint64_t seed, uint32_t stream, uint32_t step, uint64_t first, float *out, size_t count) {
    uint32_t words[4];
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || (first + i) % 4 == 0) four(seed, stream, step, first + i, words);
        out[i] = pnb_uniform(words[(first + i) % 4]);
    }
}

void pnb_fill_normal(uint64_t seed, uint32_t stream, uint32_t step, uint64_t first, float *out, size_t count) {
    float values[4] = {0};
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || (first + i) % 4 == 0) {
            uint32_t words[4];
            four(seed, stream, step, first + i, words);
            pnb_normal4(words, values);
        }
        out[i] = values[(first + i) % 4];
    }
}
