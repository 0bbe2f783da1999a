/* Pickles as plain data: a machine of the few opcodes that state dicts use. */
#include "io/pickle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STACK_LIMIT = 1 << 16, NO_MARK = UINT32_MAX };

typedef struct machine {
    pnb_error *err;
    const char *where;
    const char *const *allowed;
    pnb_pickle *p;
    size_t at;             /* of the next byte */
    pnb_pickle_ref *stack; /* NO_MARK: a mark */
    size_t depth, stack_room;
    pnb_pickle_ref *memo;
    size_t n_memo, memo_room;
    pnb_pickle_ref none, yes, no, unit; /* made once */
} machine;

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
complain(machine *m, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pnb_fail(m->err, PNB_ERROR_MODEL, "%s: pickle, byte %zu: %s", m->where, m->at, text);
}

#define BAD(m, ...) (complain(m, __VA_ARGS__), PNB_ERROR_MODEL)

/* ---- storage ----------------------------------------------------------------------------------------------------- */

static pnb_status make_room(machine *m, void **array, size_t used, size_t *room, size_t each) {
    if (used < *room) return PNB_OK;
    size_t more = *room ? *room + *room / 2 : 64;
    void *grown = realloc(*array, more * each);
    if (!grown) return pnb_fail(m->err, PNB_ERROR_OUT_OF_MEMORY, "%s: no memory for its pickle", m->where);
    *array = grown;
    *room = more;
    return PNB_OK;
}

static pnb_status push(machine *m, pnb_pickle_ref ref) {
    if (m->depth == STACK_LIMIT)
        return BAD(m, "more than %d values wait for their place; no state dict does that", STACK_LIMIT);
    PNB_TRY(make_room(m, (void **)&m->stack, m->depth, &m->stack_room, sizeof *m->stack));
    m->stack[m->depth++] = ref;
    return PNB_OK;
}

static pnb_status pop(machine *m, pnb_pickle_ref *ref) {
    if (m->depth == 0 || m->stack[m->depth - 1] == NO_MARK) return BAD(m, "a value is missing");
    *ref = m->stack[--m->depth];
    return PNB_OK;
}

/* A value takes two bytes of a pickle or more, bar those made once, empty containers and tuples. */
static pnb_status add(machine *m, pnb_pickle_value v, pnb_pickle_ref *ref) {
    pnb_pickle *p = m->p;
    if (p->n_values > m->at / 2 + 64) return BAD(m, "more values than a state dict of this size would have");
    PNB_TRY(make_room(m, (void **)&p->values, p->n_values, &p->values_room, sizeof *p->values));
    *ref = (pnb_pickle_ref)p->n_values;
    p->values[p->n_values++] = v;
    return PNB_OK;
}

static pnb_status push_new(machine *m, pnb_pickle_value v) {
    pnb_pickle_ref ref;
    PNB_TRY(add(m, v, &ref));
    return push(m, ref);
}

static pnb_status append_item(machine *m, pnb_pickle_ref to, pnb_pickle_ref item) {
    pnb_pickle *p = m->p;
    PNB_TRY(make_room(m, (void **)&p->cells, p->n_cells, &p->cells_room, sizeof *p->cells));
    pnb_pickle_value *v = &p->values[to];
    uint32_t cell = (uint32_t)p->n_cells++;
    p->cells[cell] = (pnb_pickle_cell){item, 0};
    if (v->count++)
        p->cells[v->as.at.last].next = cell;
    else
        v->as.at.first = cell;
    v->as.at.last = cell;
    return PNB_OK;
}

/* ---- operands ---------------------------------------------------------------------------------------------------- */

static size_t left(const machine *m) {
    return m->p->size - m->at;
}

static pnb_status take(machine *m, size_t n, const unsigned char **bytes) {
    if (n > left(m)) return BAD(m, "it ends where %zu more bytes are needed (cut short?)", n);
    *bytes = m->p->bytes + m->at;
    m->at += n;
    return PNB_OK;
}

/* A little-endian number of 1, 2, 4 or 8 bytes. */
static pnb_status take_number(machine *m, size_t n, uint64_t *out) {
    const unsigned char *b;
    PNB_TRY(take(m, n, &b));
    *out = 0;
    for (size_t i = 0; i < n; i++) *out |= (uint64_t)b[i] << (8 * i);
    return PNB_OK;
}

/* A string whose length stands before it. */
static pnb_status take_text(machine *m, size_t length_bytes) {
    uint64_t length;
    const unsigned char *b;
    PNB_TRY(take_number(m, length_bytes, &length));
    if (length > left(m))
        return BAD(m, "a string claims %llu bytes, %zu are left", (unsigned long long)length, left(m));
    pnb_pickle_value v = {.kind = PNB_PICKLE_TEXT, .count = (uint32_t)length, .as.at.first = (uint32_t)m->at};
    PNB_TRY(take(m, (size_t)length, &b));
    return push_new(m, v);
}

/* Up to a newline: a part of GLOBAL's operand. */
static pnb_status take_line(machine *m, const unsigned char **text, size_t *length) {
    const unsigned char *end = memchr(m->p->bytes + m->at, '\n', left(m));
    if (!end) return BAD(m, "a name has no end");
    *text = m->p->bytes + m->at;
    *length = (size_t)(end - *text);
    m->at += *length + 1;
    return PNB_OK;
}

static pnb_status take_long(machine *m) {
    uint64_t length, bits = 0;
    const unsigned char *b;
    PNB_TRY(take_number(m, 1, &length));
    pnb_pickle_value v = {.kind = PNB_PICKLE_TEXT, .count = (uint32_t)length, .as.at.first = (uint32_t)m->at};
    PNB_TRY(take(m, (size_t)length, &b));
    if (length > 8) return push_new(m, v);
    for (size_t i = 0; i < 8; i++) { /* two's complement, extended by its sign */
        unsigned byte = i < length ? b[i] : length && b[length - 1] & 0x80 ? 0xff : 0;
        bits |= (uint64_t)byte << (8 * i);
    }
    v = (pnb_pickle_value){.kind = PNB_PICKLE_INT};
    memcpy(&v.as.whole, &bits, sizeof bits);
    return push_new(m, v);
}

static pnb_status take_real(machine *m) { /* big-endian */
    const unsigned char *b;
    uint64_t bits = 0;
    PNB_TRY(take(m, 8, &b));
    for (size_t i = 0; i < 8; i++) bits = bits << 8 | b[i];
    pnb_pickle_value v = {.kind = PNB_PICKLE_REAL};
    memcpy(&v.as.real, &bits, sizeof bits);
    return push_new(m, v);
}

static pnb_status take_int(machine *m, size_t n) {
    uint64_t bits;
    PNB_TRY(take_number(m, n, &bits));
    int64_t value = (int64_t)bits;
    if (n == 4 && bits & 0x80000000u) value -= (int64_t)1 << 32; /* only BININT has a sign */
    return push_new(m, (pnb_pickle_value){.kind = PNB_PICKLE_INT, .as.whole = value});
}

/* ---- globals and calls ------------------------------------------------------------------------------------------- */

/* For a sentence: printable ASCII, cut. */
static const char *clean(const unsigned char *text, size_t n, char buf[64]) {
    size_t k = 0;
    for (; k < n && k < 63; k++) buf[k] = (char)(text[k] > 32 && text[k] < 127 ? text[k] : '?');
    buf[k] = 0;
    return buf;
}

static pnb_status push_global(machine *m, const unsigned char *module, size_t module_length, const unsigned char *name,
                              size_t name_length) {
    for (size_t i = 0; m->allowed[i]; i++) {
        const char *a = m->allowed[i];
        if (strlen(a) == module_length + 1 + name_length && memcmp(a, module, module_length) == 0 &&
            a[module_length] == ' ' && memcmp(a + module_length + 1, name, name_length) == 0)
            return push_new(m, (pnb_pickle_value){.kind = PNB_PICKLE_GLOBAL, .global = (uint8_t)i});
    }
    char a[64], b[64];
    return BAD(m,
               "it asks for %s.%s, which a state dict does not need and which is not run here; where you trust the "
               "file, load it in Python and save its state dict alone",
               clean(module, module_length, a), clean(name, name_length, b));
}

static pnb_status global(machine *m) {
    const unsigned char *module, *name;
    size_t a, b;
    PNB_TRY(take_line(m, &module, &a));
    PNB_TRY(take_line(m, &name, &b));
    return push_global(m, module, a, name, b);
}

static pnb_status stack_global(machine *m) {
    pnb_pickle_ref a, b;
    PNB_TRY(pop(m, &b));
    PNB_TRY(pop(m, &a));
    const pnb_pickle_value *module = &m->p->values[a], *name = &m->p->values[b];
    if (module->kind != PNB_PICKLE_TEXT || name->kind != PNB_PICKLE_TEXT) return BAD(m, "a global's name is no text");
    return push_global(m, m->p->bytes + module->as.at.first, module->count, m->p->bytes + name->as.at.first,
                       name->count);
}

static pnb_status reduce(machine *m) {
    pnb_pickle_ref arguments, callee;
    PNB_TRY(pop(m, &arguments));
    PNB_TRY(pop(m, &callee));
    const pnb_pickle_value *c = &m->p->values[callee];
    if (c->kind != PNB_PICKLE_GLOBAL || m->p->values[arguments].kind != PNB_PICKLE_TUPLE)
        return BAD(m, "a call that is not of a global with a tuple of arguments");
    return push_new(m, (pnb_pickle_value){.kind = PNB_PICKLE_CALL, .global = c->global, .arguments = arguments});
}

/* An ordered dictionary's attributes (versions of modules): of no use here. */
static pnb_status build(machine *m) {
    pnb_pickle_ref state, object;
    PNB_TRY(pop(m, &state));
    PNB_TRY(pop(m, &object));
    if (m->p->values[object].kind != PNB_PICKLE_CALL || m->p->values[state].kind != PNB_PICKLE_DICT)
        return BAD(m, "it sets the state of an object that is no ordered dictionary");
    return push(m, object);
}

/* ---- containers -------------------------------------------------------------------------------------------------- */

/* The values above the latest mark, which is taken away; they stay valid until the next push. */
static pnb_status take_marked(machine *m, const pnb_pickle_ref **items, size_t *n) {
    size_t i = m->depth;
    while (i > 0 && m->stack[i - 1] != NO_MARK) i--;
    if (i == 0) return BAD(m, "a mark is missing");
    *items = m->stack + i;
    *n = m->depth - i;
    m->depth = i - 1;
    return PNB_OK;
}

static pnb_status make_tuple(machine *m, const pnb_pickle_ref *items, size_t n) {
    pnb_pickle_ref tuple;
    PNB_TRY(add(m, (pnb_pickle_value){.kind = PNB_PICKLE_TUPLE}, &tuple));
    for (size_t i = 0; i < n; i++) PNB_TRY(append_item(m, tuple, items[i]));
    return push(m, tuple);
}

static pnb_status short_tuple(machine *m, size_t n) {
    pnb_pickle_ref items[3];
    for (size_t i = n; i-- > 0;) PNB_TRY(pop(m, &items[i]));
    return make_tuple(m, items, n);
}

/* Values for the container that now lies on top: of a list, or pairs of a dictionary. */
static pnb_status fill(machine *m, const pnb_pickle_ref *items, size_t n, bool pairs) {
    pnb_pickle_ref to;
    PNB_TRY(pop(m, &to));
    uint8_t kind = m->p->values[to].kind;
    if (pairs ? kind != PNB_PICKLE_DICT && kind != PNB_PICKLE_CALL : kind != PNB_PICKLE_LIST)
        return BAD(m, "items are given to what is no %s", pairs ? "dictionary" : "list");
    if (pairs && n % 2) return BAD(m, "a key has no value");
    for (size_t i = 0; i < n; i++) PNB_TRY(append_item(m, to, items[i]));
    return push(m, to);
}

static pnb_status fill_marked(machine *m, bool pairs) {
    const pnb_pickle_ref *items;
    size_t n;
    PNB_TRY(take_marked(m, &items, &n));
    return fill(m, items, n, pairs);
}

static pnb_status fill_few(machine *m, size_t n, bool pairs) {
    pnb_pickle_ref items[2];
    for (size_t i = n; i-- > 0;) PNB_TRY(pop(m, &items[i]));
    return fill(m, items, n, pairs);
}

/* ---- memo -------------------------------------------------------------------------------------------------------- */

static pnb_status memo_put(machine *m, uint64_t index) {
    pnb_pickle_ref top;
    PNB_TRY(pop(m, &top));
    PNB_TRY(push(m, top));
    if (index > m->at) return BAD(m, "memo entry %llu: there cannot be so many", (unsigned long long)index);
    while (m->n_memo <= index) {
        PNB_TRY(make_room(m, (void **)&m->memo, m->n_memo, &m->memo_room, sizeof *m->memo));
        m->memo[m->n_memo++] = NO_MARK;
    }
    m->memo[index] = top;
    return PNB_OK;
}

static pnb_status memo_put_at(machine *m, size_t n) {
    uint64_t index;
    PNB_TRY(take_number(m, n, &index));
    return memo_put(m, index);
}

static pnb_status memo_get(machine *m, size_t n) {
    uint64_t index;
    PNB_TRY(take_number(m, n, &index));
    if (index >= m->n_memo || m->memo[index] == NO_MARK)
        return BAD(m, "memo entry %llu was never made", (unsigned long long)index);
    return push(m, m->memo[index]);
}

/* ---- the machine ------------------------------------------------------------------------------------------------- */

static pnb_status persistent(machine *m) {
    pnb_pickle_ref id;
    PNB_TRY(pop(m, &id));
    return push_new(m, (pnb_pickle_value){.kind = PNB_PICKLE_PERSISTENT, .as.at.first = id});
}

static pnb_status protocol(machine *m) {
    uint64_t version;
    PNB_TRY(take_number(m, 1, &version));
    return version >= 2 && version <= 5 ? PNB_OK : BAD(m, "protocol %u, known are 2 to 5", (unsigned)version);
}

static pnb_status skip_frame(machine *m) {
    uint64_t length;
    PNB_TRY(take_number(m, 8, &length));
    return length <= left(m) ? PNB_OK
                             : BAD(m, "a frame claims %llu bytes, %zu are left", (unsigned long long)length, left(m));
}

/* Opcodes that make, find or name a value. */
static pnb_status step_value(machine *m, unsigned char op) {
    switch (op) {
    case 'N':
        return push(m, m->none);
    case 0x88:
        return push(m, m->yes);
    case 0x89:
        return push(m, m->no);
    case ')':
        return push(m, m->unit);
    case 'J':
        return take_int(m, 4);
    case 'K':
        return take_int(m, 1);
    case 'M':
        return take_int(m, 2);
    case 0x8a:
        return take_long(m);
    case 'G':
        return take_real(m);
    case 'X':
    case 'T':
    case 'B':
        return take_text(m, 4); /* text, and bytes of Python 2 and 3 */
    case 0x8c:
    case 'U':
    case 'C':
        return take_text(m, 1);
    case 0x8d:
    case 0x8e:
        return take_text(m, 8);
    case 'c':
        return global(m);
    case 0x93:
        return stack_global(m);
    case 'Q':
        return persistent(m);
    default:
        m->at--;
        return BAD(m, "opcode 0x%02x has no place in a state dict", op);
    }
}

static pnb_status step(machine *m, unsigned char op) {
    const pnb_pickle_ref *items;
    size_t n;
    switch (op) {
    case 0x80:
        return protocol(m);
    case 0x95:
        return skip_frame(m);
    case '(':
        return push(m, NO_MARK);
    case ']':
        return push_new(m, (pnb_pickle_value){.kind = PNB_PICKLE_LIST});
    case '}':
        return push_new(m, (pnb_pickle_value){.kind = PNB_PICKLE_DICT});
    case 't':
        PNB_TRY(take_marked(m, &items, &n));
        return make_tuple(m, items, n);
    case 0x85:
        return short_tuple(m, 1);
    case 0x86:
        return short_tuple(m, 2);
    case 0x87:
        return short_tuple(m, 3);
    case 'a':
        return fill_few(m, 1, false);
    case 's':
        return fill_few(m, 2, true);
    case 'e':
        return fill_marked(m, false);
    case 'u':
        return fill_marked(m, true);
    case 'R':
        return reduce(m);
    case 'b':
        return build(m);
    case 'q':
        return memo_put_at(m, 1);
    case 'r':
        return memo_put_at(m, 4);
    case 0x94:
        return memo_put(m, m->n_memo);
    case 'h':
        return memo_get(m, 1);
    case 'j':
        return memo_get(m, 4);
    default:
        return step_value(m, op);
    }
}

/* The values that are made once; cell 0 stands for none. */
static pnb_status prepare(machine *m) {
    PNB_TRY(make_room(m, (void **)&m->p->cells, 0, &m->p->cells_room, sizeof *m->p->cells));
    m->p->cells[m->p->n_cells++] = (pnb_pickle_cell){0, 0};
    PNB_TRY(add(m, (pnb_pickle_value){.kind = PNB_PICKLE_NONE}, &m->none));
    PNB_TRY(add(m, (pnb_pickle_value){.kind = PNB_PICKLE_BOOL, .as.whole = 1}, &m->yes));
    PNB_TRY(add(m, (pnb_pickle_value){.kind = PNB_PICKLE_BOOL}, &m->no));
    return add(m, (pnb_pickle_value){.kind = PNB_PICKLE_TUPLE}, &m->unit);
}

static pnb_status run(machine *m) {
    const unsigned char *op;
    PNB_TRY(prepare(m));
    if (m->p->size < 2 || m->p->bytes[0] != 0x80)
        return BAD(m, "expected a pickle of protocol 2 to 5, which begins with byte 0x80");
    for (;;) {
        PNB_TRY(take(m, 1, &op));
        if (*op == '.') break;
        PNB_TRY(step(m, *op));
    }
    PNB_TRY(pop(m, &m->p->root));
    m->p->used = m->at;
    return m->depth == 0 ? PNB_OK : BAD(m, "%zu values are left over at its end", m->depth);
}

pnb_status pnb_pickle_parse(pnb_error *err, const char *where, const unsigned char *bytes, size_t size,
                            const char *const *allowed, pnb_pickle *out) {
    *out = (pnb_pickle){.bytes = bytes, .size = size < INT32_MAX ? size : INT32_MAX};
    machine m = {.err = err, .where = where, .allowed = allowed, .p = out};
    pnb_status status = run(&m);
    free(m.stack);
    free(m.memo);
    if (status != PNB_OK) pnb_pickle_finish(out);
    return status;
}

void pnb_pickle_finish(pnb_pickle *p) {
    free(p->values);
    free(p->cells);
    memset(p, 0, sizeof *p);
}

/* ---- access ------------------------------------------------------------------------------------------------------ */

const pnb_pickle_value *pnb_pickle_at(const pnb_pickle *p, pnb_pickle_ref value) {
    return &p->values[value];
}

const pnb_pickle_value *pnb_pickle_item(const pnb_pickle *p, const pnb_pickle_value *of, uint32_t i) {
    bool holds = of->kind == PNB_PICKLE_TUPLE || of->kind == PNB_PICKLE_LIST || of->kind == PNB_PICKLE_DICT ||
                 of->kind == PNB_PICKLE_CALL;
    if (!holds || i >= of->count) return NULL;
    uint32_t cell = of->as.at.first;
    while (i--) cell = p->cells[cell].next;
    return &p->values[p->cells[cell].value];
}

bool pnb_pickle_is_text(const pnb_pickle *p, const pnb_pickle_value *v, const char *text) {
    return v && v->kind == PNB_PICKLE_TEXT && v->count == strlen(text) &&
           memcmp(p->bytes + v->as.at.first, text, v->count) == 0;
}
