// Random numbers by counter: Philox4x32-10 (Salmon et al., SC 2011). Line for line the arithmetic of src/base/philox.c.
//
// Integers and uniform numbers are equal to the host's bit for bit, normal ones to 1e-6: logarithm, sine and cosine are our own
// polynomials (drivers' are good to 1e-3 on some), and `precise` keeps multiplications and additions apart.
// Convention of a draw: key = seed, counter = (element / 4, step, stream, 0), word = element % 4.
#ifndef PNB_PHILOX_GLSL
#define PNB_PHILOX_GLSL

uvec4 pnb_philox(uvec4 c, uvec2 k) {
    for (int i = 0; i < 10; i++) {
        uint ha, la, hb, lb;
        umulExtended(0xD2511F53u, c.x, ha, la);
        umulExtended(0xCD9E8D57u, c.z, hb, lb);
        c = uvec4(hb ^ c.y ^ k.x, lb, ha ^ c.w ^ k.y, la);
        k += uvec2(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}

// Uniform in [0,1), multiples of 2^-24.
float pnb_uniform(uint word) { return float(word >> 8) * 5.9604644775390625e-8; }
vec4 pnb_uniform4(uvec4 words) { return vec4(words >> 8) * 5.9604644775390625e-8; }

// ln(u) for u in (0,1]: u = 2^e (1+f); ln(1+f) = f - f^2/2 + f^3 P(f).
float pnb_log_unit(float u) {
    uint bits = floatBitsToUint(u);
    int e = int(bits - 0x3f3504f3u) >> 23;
    float m = uintBitsToFloat(bits - (uint(e) << 23));
    precise float f = m - 1.0;
    precise float q = 0.0691518635;
    q = q * f - 0.117897153;
    q = q * f + 0.118730091;
    q = q * f - 0.123843662;
    q = q * f + 0.142186552;
    q = q * f - 0.166692495;
    q = q * f + 0.200022265;
    q = q * f - 0.249999866;
    q = q * f + 0.333333105;
    precise float ff = f * f;
    precise float tail = ff * f * q - 0.5 * ff;
    precise float result = float(e) * 0.693147182 + (f + tail);
    return result;
}

// Two N(0,1): radius sqrt(-2 ln u), the angle reduced in integers to an eighth of a turn around the nearest quarter.
vec2 pnb_box_muller(uint a, uint b) {
    precise float r = sqrt(-2.0 * pnb_log_unit(float((a >> 8) + 1u) * 5.9604644775390625e-8));
    uint v = b >> 8, quarter = (v + 0x200000u) >> 22;
    precise float t = float(int(v) - int(quarter << 22)) * 3.74507039e-7; // 2 pi 2^-24
    precise float z = t * t;
    precise float s = -0.000195172630;
    s = s * z + 0.008332178;
    s = s * z - 0.166666552;
    precise float sine = t + t * z * s;
    precise float c = 2.44384082e-05;
    c = c * z - 0.00138873677;
    c = c * z + 0.0416666456;
    precise float cosine = 1.0 - 0.5 * z + z * z * c;
    bool odd = (quarter & 1u) != 0u;
    float x = odd ? sine : cosine, y = odd ? cosine : sine;
    if (((quarter + 1u) & 2u) != 0u) x = -x;
    if ((quarter & 2u) != 0u) y = -y;
    precise vec2 result = vec2(r * x, r * y);
    return result;
}

vec4 pnb_normal4(uvec4 words) { return vec4(pnb_box_muller(words.x, words.y), pnb_box_muller(words.z, words.w)); }

#endif
