// exp and ln from their own series: the built-in ones of some software drivers are good to 1e-3 only.
#ifndef PNB_EXP_LOG_GLSL
#define PNB_EXP_LOG_GLSL

// ln x for normal positive x. x = 2^e m, m in [sqrt(1/2), sqrt(2)); ln m = 2 atanh((m-1)/(m+1)). Relative error below 3e-7.
float pnb_ln(float x) {
    uint bits = floatBitsToUint(x);
    int e = int(bits >> 23u) - 127;
    float m = uintBitsToFloat((bits & 0x7fffffu) | 0x3f800000u);
    if (m > 1.41421356) {
        m *= 0.5;
        e += 1;
    }
    float s = (m - 1.0) / (m + 1.0), q = s * s;
    float series = 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q * (1.0 / 9.0)))));
    return float(e) * 0.69314718 + series;
}

// e^x for x <= 0; 0 below -87. x = k ln 2 + r, |r| <= ln(2)/2, Taylor in r. Relative error below 3e-7.
float pnb_exp_negative(float x) {
    if (x < -87.0) return 0.0;
    float k = round(x * 1.44269504);
    precise float high = x - k * 0.693359375; // ln 2 in two parts, the first of few bits
    float r = high + k * 2.12194440e-4;
    float series = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0))))));
    return series * uintBitsToFloat(uint(int(k) + 127) << 23u);
}
#endif
