/* Pickles as plain data, for state dicts: nothing is looked up, nothing is run.
 *
 * The reader takes the opcodes that a dictionary of tensors and plain values needs, and the globals that its caller
 * lists. Any other opcode or global ends it with a sentence. A call (opcode REDUCE) is noted and never made: it becomes
 * a PNB_PICKLE_CALL with the number of its global and its arguments, for the caller to understand.
 *
 *     pnb_pickle p;
 *     PNB_TRY(pnb_pickle_parse(err, "file 'x.pt'", bytes, size, allowed, &p));
 *     const pnb_pickle_value *root = pnb_pickle_at(&p, p.root);
 *     ...
 *     pnb_pickle_finish(&p);
 *
 * Memory stays within about 24 times the pickle's size. Values may be shared and may contain themselves, so whoever
 * walks through them must bound depth and number of visits. Format: Python's pickletools, protocols 2 to 5. */
#ifndef PNB_IO_PICKLE_H
#define PNB_IO_PICKLE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum pnb_pickle_kind {
    PNB_PICKLE_NONE,
    PNB_PICKLE_BOOL,
    PNB_PICKLE_INT,
    PNB_PICKLE_REAL,
    PNB_PICKLE_TEXT,  /* a string, or bytes, or an integer of more than 64 bits: where it stands in the pickle */
    PNB_PICKLE_TUPLE, /* items: its values */
    PNB_PICKLE_LIST,  /* items: its values */
    PNB_PICKLE_DICT,  /* items: key, value, key, value ... */
    PNB_PICKLE_GLOBAL,
    PNB_PICKLE_CALL,      /* a global and its arguments; items: what a dictionary's subclass was given afterwards */
    PNB_PICKLE_PERSISTENT /* an object outside of the pickle; first: the value that names it */
} pnb_pickle_kind;

typedef uint32_t pnb_pickle_ref; /* of a value; of a cell: 0 is none */

typedef struct pnb_pickle_value {
    uint8_t kind;   /* pnb_pickle_kind */
    uint8_t global; /* GLOBAL, CALL: number in the list of allowed globals */
    uint32_t count; /* of items; of bytes of TEXT */
    union {
        int64_t whole; /* BOOL, INT */
        double real;
        struct {
            uint32_t first, last; /* cells of items; TEXT: first is its place in the pickle */
        } at;
    } as;
    pnb_pickle_ref arguments; /* CALL: a TUPLE */
} pnb_pickle_value;

typedef struct pnb_pickle_cell {
    pnb_pickle_ref value;
    uint32_t next; /* 0: the last one */
} pnb_pickle_cell;

typedef struct pnb_pickle {
    const unsigned char *bytes; /* the caller's */
    size_t size;
    size_t used; /* bytes up to and with STOP: another pickle may follow */
    pnb_pickle_ref root;
    pnb_pickle_value *values;
    size_t n_values, values_room;
    pnb_pickle_cell *cells;
    size_t n_cells, cells_room;
} pnb_pickle;

/* where: how sentences begin. allowed: "module name" each, ended by NULL, at most 255. Anything that is not a pickle of
 * such values: PNB_ERROR_MODEL. */
pnb_status pnb_pickle_parse(pnb_error *err, const char *where, const unsigned char *bytes, size_t size,
                            const char *const *allowed, pnb_pickle *out);
void pnb_pickle_finish(pnb_pickle *p); /* accepts an all-zero struct */

const pnb_pickle_value *pnb_pickle_at(const pnb_pickle *p, pnb_pickle_ref value);
/* Item i of a value by walking there, NULL where it has no such item. */
const pnb_pickle_value *pnb_pickle_item(const pnb_pickle *p, const pnb_pickle_value *of, uint32_t i);
/* Is it this TEXT? */
bool pnb_pickle_is_text(const pnb_pickle *p, const pnb_pickle_value *v, const char *text);

#endif
