/* TIFF files made byte by byte, in either byte order, for tests of their reader. */
#ifndef PNB_TESTS_IO_TIFF_MAKER_H
#define PNB_TESTS_IO_TIFF_MAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A TIFF in the making. */
typedef struct maker {
    unsigned char bytes[1 << 16];
    size_t size, link; /* link: where the offset of the next directory goes */
    bool big_endian;
} maker;

static inline void put(maker *m, size_t at, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++) m->bytes[at + (size_t)i] = (unsigned char)(v >> 8 * (m->big_endian ? bytes - 1 - i : i));
    if (at + (size_t)bytes > m->size) m->size = at + (size_t)bytes;
}

static inline void begin(maker *m, bool big_endian) {
    memset(m, 0, sizeof *m);
    m->big_endian = big_endian;
    memcpy(m->bytes, big_endian ? "MM" : "II", 2);
    put(m, 2, 42, 2);
    put(m, 4, 0, 4);
    m->link = 4;
}

typedef struct kind {
    uint32_t width, height, bits, format, samples, photometric, compression;
    const char *description;
    uint32_t resolution[2], unit; /* numerator and denominator; 0: none */
} kind;

/* A page of one strip; values [height][width][samples]. */
static inline void add_page(maker *m, const kind *k, const double *values) {
    size_t data = m->size, count = (size_t)k->width * k->height * k->samples, n = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t v = 0;
        float f = (float)values[i];
        if (k->format == 3 && k->bits == 32) {
            uint32_t u;
            memcpy(&u, &f, 4);
            v = u;
        } else if (k->format == 3) {
            memcpy(&v, &values[i], 8);
        } else {
            v = (uint64_t)(int64_t)values[i];
        }
        put(m, m->size, v, (int)k->bits / 8);
    }
    size_t bytes = m->size - data, text = m->size;
    if (k->description) {
        memcpy(m->bytes + m->size, k->description, strlen(k->description) + 1);
        m->size += strlen(k->description) + 1;
    }
    size_t ratio = m->size;
    for (int i = 0; i < 2; i++) put(m, m->size, k->resolution[i], 4);
    size_t bits = m->size;
    for (uint32_t i = 0; i < k->samples; i++) put(m, m->size, k->bits, 2);
    m->size += m->size & 1;
    size_t directory = m->size;
    put(m, m->link, directory, 4);
    const struct {
        uint32_t tag, type, count;
        uint64_t value;
    } all[] = {{256, 4, 1, k->width},   {257, 4, 1, k->height},      {258, 3, k->samples, k->samples > 2 ? bits : k->bits},
               {259, 3, 1, k->compression ? k->compression : 1},     {262, 3, 1, k->photometric},
               {270, 2, k->description ? (uint32_t)strlen(k->description) + 1 : 0, text},
               {273, 4, 1, data},       {277, 3, 1, k->samples},     {278, 4, 1, k->height},
               {279, 4, 1, bytes},      {282, 5, k->resolution[0] ? 1 : 0, ratio}, {283, 5, k->resolution[0] ? 1 : 0, ratio},
               {296, 3, k->unit ? 1 : 0, k->unit},                   {339, 3, 1, k->format}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!all[i].count) continue;
        size_t at = directory + 2 + 12 * n++;
        put(m, at, all[i].tag, 2);
        put(m, at + 2, all[i].type, 2);
        put(m, at + 4, all[i].count, 4);
        put(m, at + 8, 0, 4);
        put(m, at + 8, all[i].value, all[i].type == 3 && all[i].count == 1 ? 2 : 4);
    }
    put(m, directory, n, 2);
    m->link = directory + 2 + 12 * n;
    put(m, m->link, 0, 4);
}

#endif
