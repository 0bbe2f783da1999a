/* Writes small files as torch.save does, in both formats, for tests of their reader. Include after cmocka.h. */
#ifndef PNB_TESTS_IO_TORCH_WRITER_H
#define PNB_TESTS_IO_TORCH_WRITER_H

#include "io/crc32.h"
#include "io/dtype.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes in the making. */
typedef struct pile {
    unsigned char *at;
    size_t n, room;
} pile;

static inline void pile_put(pile *p, const void *bytes, size_t n) {
    if (p->room - p->n < n) {
        p->room = 2 * p->room + n;
        p->at = realloc(p->at, p->room);
        assert_non_null(p->at);
    }
    if (n) memcpy(p->at + p->n, bytes, n);
    p->n += n;
}

static inline void pile_text(pile *p, const char *text) {
    pile_put(p, text, strlen(text));
}

static inline void pile_number(pile *p, uint64_t value, int bytes) { /* little-endian */
    for (int i = 0; i < bytes; i++) pile_put(p, &(unsigned char){(unsigned char)(value >> (8 * i))}, 1);
}

typedef struct torch_tensor {
    const char *name;
    uint32_t rank, shape[4], stride[4];
    uint32_t storage, offset;
} torch_tensor;

typedef struct torch_storage {
    const float *values;
    uint32_t count;
} torch_storage;

static inline void pickle_text(pile *p, const char *text) {
    pile_text(p, "X");
    pile_number(p, strlen(text), 4);
    pile_text(p, text);
}

static inline void pickle_int(pile *p, uint32_t value) {
    pile_text(p, "J");
    pile_number(p, value, 4);
}

static inline void pickle_storage(pile *p, uint32_t i, uint32_t count, bool stream) {
    char key[16];
    snprintf(key, sizeof key, "%u", i);
    pile_text(p, "(");
    pickle_text(p, "storage");
    pile_text(p, "ctorch\nFloatStorage\n");
    pickle_text(p, key);
    pickle_text(p, "cpu");
    pickle_int(p, count);
    pile_text(p, stream ? "NtQ" : "tQ");
}

/* {name: tensor, ...} as a pickle of protocol 2. */
static inline void pickle_tensors(pile *p, const torch_tensor *tensors, size_t n, const torch_storage *storages,
                                  bool stream) {
    pile_put(p, "\x80\x02}", 3);
    for (size_t i = 0; i < n; i++) {
        const torch_tensor *t = &tensors[i];
        pickle_text(p, t->name);
        pile_text(p, "ctorch._utils\n_rebuild_tensor_v2\n(");
        pickle_storage(p, t->storage, storages[t->storage].count, stream);
        pickle_int(p, t->offset);
        for (int k = 0; k < 2; k++) {
            pile_text(p, "(");
            for (uint32_t d = 0; d < t->rank; d++) pickle_int(p, k ? t->stride[d] : t->shape[d]);
            pile_text(p, "t");
        }
        pile_put(p, "\x89", 1);
        pile_text(p, "ccollections\nOrderedDict\n)RtRs");
    }
    pile_text(p, ".");
}

static inline void pile_floats(pile *p, const torch_storage *s) {
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t bits;
        memcpy(&bits, &s->values[i], sizeof bits);
        pile_number(p, bits, 4);
    }
}

/* The older format, with this pickle for the object. */
static inline pile torch_stream(const pile *object, const torch_storage *storages, uint32_t n) {
    static const char head[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}";
    pile p = {0};
    pile_put(&p, head, sizeof head - 1);
    pickle_text(&p, "little_endian");
    pile_put(&p, "\x88s.", 3);
    pile_put(&p, object->at, object->n);
    pile_put(&p, "\x80\x02]", 3);
    for (uint32_t i = 0; i < n; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        pickle_text(&p, key);
        pile_text(&p, "a");
    }
    pile_text(&p, ".");
    for (uint32_t i = 0; i < n; i++) {
        pile_number(&p, storages[i].count, 8);
        pile_floats(&p, &storages[i]);
    }
    return p;
}

/* A stored entry of an archive: its local header and data; its central header is added to `central`. */
static inline void zip_entry(pile *p, pile *central, const char *name, const pile *data) {
    uint64_t place = p->n;
    uint32_t crc = pnb_crc32(data->at, data->n);
    for (int i = 0; i < 2; i++) {
        pile *to = i ? central : p;
        pile_text(to, i ? "PK\1\2" : "PK\3\4");
        if (i) pile_number(to, 20, 2);
        pile_number(to, 20, 2);
        pile_number(to, 0, 8); /* flags, stored, time, date */
        pile_number(to, crc, 4);
        pile_number(to, data->n, 4);
        pile_number(to, data->n, 4);
        pile_number(to, strlen(name), 2);
        for (int k = 0; k < (i ? 6 : 1); k++) pile_number(to, 0, 2); /* no extra field; no comment, disk, attributes */
        if (i) pile_number(to, place, 4);
        pile_text(to, name);
    }
    pile_put(p, data->at, data->n);
}

static inline pile torch_zip(const pile *object, const torch_storage *storages, uint32_t n) {
    pile p = {0}, central = {0};
    zip_entry(&p, &central, "archive/data.pkl", object);
    for (uint32_t i = 0; i < n; i++) {
        char name[32];
        pile data = {0};
        snprintf(name, sizeof name, "archive/data/%u", i);
        pile_floats(&data, &storages[i]);
        zip_entry(&p, &central, name, &data);
        free(data.at);
    }
    uint64_t place = p.n;
    pile_put(&p, central.at, central.n);
    pile_text(&p, "PK\5\6");
    pile_number(&p, 0, 4);
    pile_number(&p, n + 1, 2);
    pile_number(&p, n + 1, 2);
    pile_number(&p, central.n, 4);
    pile_number(&p, place, 4);
    pile_number(&p, 0, 2);
    free(central.at);
    return p;
}

#endif
