/* The one error idiom: every function that can fail returns a pnb_status and leaves a sentence in a pnb_error.
 *
 * Handles (device, store, graph, program ...) are created with a pointer to the caller's pnb_error and write their later
 * failures there too, so deep code needs no extra parameter. A pnb_error is plain memory: no ownership, one thread at a time.
 *
 *     pnb_status f(thing *t) {
 *         PNB_TRY(g(t));                                           // pass a failure up unchanged
 *         if (n != m) return pnb_fail(t->err, PNB_ERROR_INPUT, "f: expected %u rows, found %u", m, n);
 *         return PNB_OK;
 *     }
 */
#ifndef PNB_BASE_STATUS_H
#define PNB_BASE_STATUS_H

#include "penumbra/penumbra.h" /* pnb_status: the public enumeration */

#include <stdarg.h>

enum { PNB_ERROR_MESSAGE_SIZE = 1024 };

typedef struct pnb_error {
    pnb_status status;                    /* PNB_OK until something failed */
    char message[PNB_ERROR_MESSAGE_SIZE]; /* one sentence, lower case, no newline: what, where, expected, what to do */
} pnb_error;

/* Record a failure and return its status. err may be NULL (the status alone is returned). The newest failure wins. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
pnb_status pnb_fail(pnb_error *err, pnb_status status, const char *format, ...);

/* Put a prefix ("file 'x.png': ") before the sentence that err already holds. Returns err's status. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
pnb_status pnb_error_prefix(pnb_error *err, const char *format, ...);

/* Return from the enclosing function when expr is not PNB_OK. */
#define PNB_TRY(expr)                                                                                                  \
    do {                                                                                                               \
        pnb_status pnb_try_status_ = (expr);                                                                           \
        if (pnb_try_status_ != PNB_OK) return pnb_try_status_;                                                         \
    } while (0)

/* The same where there is something to clean up: sets the local `status` and goes to the label `fail`. */
#define PNB_TRY_GOTO(expr)                                                                                             \
    do {                                                                                                               \
        status = (expr);                                                                                               \
        if (status != PNB_OK) goto fail;                                                                               \
    } while (0)

#endif
