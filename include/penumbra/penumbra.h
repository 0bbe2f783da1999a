/* penumbra.h: posterior samples from a measurement, a forward model and a diffusion prior, on any Vulkan GPU. */
#ifndef PENUMBRA_PENUMBRA_H
#define PENUMBRA_PENUMBRA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a call came to. The numbers are also the exit codes of the command `penumbra`. */
typedef enum pnb_status {
    PNB_OK = 0,
    PNB_ERROR_INTERNAL = 1,       /* a defect of the library itself: please report the sentence */
    PNB_ERROR_USAGE = 2,          /* an argument or option that cannot be (the command: usage) */
    PNB_ERROR_INPUT = 3,          /* a file or array that is not what it should be */
    PNB_ERROR_MODEL = 4,          /* a prior or network that cannot be used */
    PNB_ERROR_NO_DEVICE = 5,      /* no Vulkan loader, driver or usable device */
    PNB_ERROR_OUT_OF_MEMORY = 6,  /* host or device memory */
    PNB_ERROR_NUMERIC = 7,        /* a value became infinite or not a number */
    PNB_ERROR_DEVICE_LOST = 8,    /* the device stopped answering; the context stays failed */
    PNB_ERROR_CANCELLED = 130     /* a progress callback asked to stop; what was done is kept */
} pnb_status;

#ifdef __cplusplus
}
#endif
#endif
