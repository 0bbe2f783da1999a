/* Widening of stored element types. Written with shifts, so that it holds on any host byte order and alignment. */
#include "io/dtype.h"

#include <string.h>

static const struct {
    const char *name;
    size_t size;
    bool integer;
} dtypes[PNB_DTYPE_COUNT] = {
    [PNB_F64] = {"F64", 8, false},   [PNB_F32] = {"F32", 4, false}, [PNB_F16] = {"F16", 2, false},
    [PNB_BF16] = {"BF16", 2, false}, [PNB_I64] = {"I64", 8, true},  [PNB_I32] = {"I32", 4, true},
    [PNB_I16] = {"I16", 2, true},    [PNB_I8] = {"I8", 1, true},    [PNB_U8] = {"U8", 1, true},
    [PNB_BOOL] = {"BOOL", 1, true},
};

size_t pnb_dtype_size(pnb_dtype t) {
    return (unsigned)t < PNB_DTYPE_COUNT ? dtypes[t].size : 0;
}

const char *pnb_dtype_name(pnb_dtype t) {
    return (unsigned)t < PNB_DTYPE_COUNT ? dtypes[t].name : "?";
}

bool pnb_dtype_is_integer(pnb_dtype t) {
    return (unsigned)t < PNB_DTYPE_COUNT && dtypes[t].integer;
}

uint16_t pnb_le16(const unsigned char *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t pnb_le32(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t pnb_le64(const unsigned char *p) {
    return (uint64_t)pnb_le32(p) | (uint64_t)pnb_le32(p + 4) << 32;
}

void pnb_put_le32(unsigned char *p, uint32_t v) {
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(v >> (8 * i));
}

void pnb_put_le64(unsigned char *p, uint64_t v) {
    for (int i = 0; i < 8; i++) p[i] = (unsigned char)(v >> (8 * i));
}

static float bits_to_float(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static uint32_t float_to_bits(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static double bits_to_double(uint64_t u) {
    double d;
    memcpy(&d, &u, sizeof d);
    return d;
}

/* Two's complement without implementation-defined conversions. */
static int64_t to_signed(uint64_t u, unsigned bits) {
    uint64_t sign = (uint64_t)1 << (bits - 1);
    if (!(u & sign)) return (int64_t)u;
    return -(int64_t)(sign - 1 - (u & (sign - 1))) - 1;
}

float pnb_half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t exponent = (h >> 10) & 31u, mantissa = h & 0x3ffu;
    if (exponent == 31) return bits_to_float(sign | 0x7f800000u | mantissa << 13);
    if (exponent) return bits_to_float(sign | (exponent + 112) << 23 | mantissa << 13);
    float tiny = (float)mantissa * (1.0f / 16777216.0f); /* subnormal: mantissa * 2^-24, exact */
    return sign ? -tiny : tiny;
}

uint16_t pnb_float_to_half(float f) {
    uint32_t u = float_to_bits(f), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);  /* not a number */
    if (a >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* 65520 and above round to infinity */
    if (a < 0x33000001u) return (uint16_t)sign;              /* 2^-25 and below round to zero */
    uint32_t shift = 13, value = a - (112u << 23);
    if (a < 0x38800000u) { /* subnormal in half: shift the mantissa, with its leading one, to units of 2^-24 */
        shift = 126 - (a >> 23);
        value = (a & 0x7fffffu) | 0x800000u;
    }
    uint32_t kept = value >> shift, rest = value & (((uint32_t)1 << shift) - 1), halfway = (uint32_t)1 << (shift - 1);
    if (rest > halfway || (rest == halfway && (kept & 1u))) kept++;
    return (uint16_t)(sign | kept);
}

static int64_t integer_at(pnb_dtype t, const unsigned char *p) {
    switch (t) {
    case PNB_I64:
        return to_signed(pnb_le64(p), 64);
    case PNB_I32:
        return to_signed(pnb_le32(p), 32);
    case PNB_I16:
        return to_signed(pnb_le16(p), 16);
    case PNB_I8:
        return to_signed(p[0], 8);
    default:
        return p[0];
    }
}

static double number_at(pnb_dtype t, const unsigned char *p) {
    switch (t) {
    case PNB_F64:
        return bits_to_double(pnb_le64(p));
    case PNB_F32:
        return (double)bits_to_float(pnb_le32(p));
    case PNB_F16:
        return (double)pnb_half_to_float(pnb_le16(p));
    case PNB_BF16:
        return (double)bits_to_float((uint32_t)pnb_le16(p) << 16);
    default:
        return (double)integer_at(t, p);
    }
}

void pnb_dtype_to_f32(pnb_dtype t, const unsigned char *bytes, size_t n, float *out) {
    size_t size = pnb_dtype_size(t);
    switch (t) { /* the formats of weights have loops of their own: these move gigabytes */
    case PNB_F32:
        for (size_t i = 0; i < n; i++) out[i] = bits_to_float(pnb_le32(bytes + 4 * i));
        break;
    case PNB_F16:
        for (size_t i = 0; i < n; i++) out[i] = pnb_half_to_float(pnb_le16(bytes + 2 * i));
        break;
    case PNB_BF16:
        for (size_t i = 0; i < n; i++) out[i] = bits_to_float((uint32_t)pnb_le16(bytes + 2 * i) << 16);
        break;
    default:
        for (size_t i = 0; i < n; i++) out[i] = (float)number_at(t, bytes + size * i);
    }
}

void pnb_dtype_to_f64(pnb_dtype t, const unsigned char *bytes, size_t n, double *out) {
    size_t size = pnb_dtype_size(t);
    for (size_t i = 0; i < n; i++) out[i] = number_at(t, bytes + size * i);
}

void pnb_dtype_to_i64(pnb_dtype t, const unsigned char *bytes, size_t n, int64_t *out) {
    size_t size = pnb_dtype_size(t);
    for (size_t i = 0; i < n; i++) out[i] = integer_at(t, bytes + size * i);
}

void pnb_dtype_from_f32(pnb_dtype t, const float *values, size_t n, unsigned char *bytes) {
    for (size_t i = 0; i < n; i++) {
        if (t == PNB_F16) {
            uint16_t h = pnb_float_to_half(values[i]);
            bytes[2 * i] = (unsigned char)h;
            bytes[2 * i + 1] = (unsigned char)(h >> 8);
        } else {
            pnb_put_le32(bytes + 4 * i, float_to_bits(values[i]));
        }
    }
}

pnb_status pnb_dtype_write_f32(pnb_file_writer *w, pnb_dtype t, const float *values, uint64_t n) {
    enum { PIECE = 4096 };
    unsigned char bytes[4 * PIECE];
    for (uint64_t done = 0; done < n;) {
        size_t count = n - done < PIECE ? (size_t)(n - done) : PIECE;
        pnb_dtype_from_f32(t, values + done, count, bytes);
        PNB_TRY(pnb_writer_write(w, bytes, count * pnb_dtype_size(t)));
        done += count;
    }
    return PNB_OK;
}
