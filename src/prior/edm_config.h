/* The shape of a U-Net of the EDM code base, worked out from the names and shapes of its tensors. */
#ifndef PNB_PRIOR_EDM_CONFIG_H
#define PNB_PRIOR_EDM_CONFIG_H

#include "prior/unet.h"

typedef struct pnb_edm_config {
    bool song;     /* SongUNet in its DDPM++ form; else DhariwalUNet */
    uint32_t side; /* of the images that it was trained with: its names hold it */
    pnb_unet unet; /* owned */
} pnb_edm_config;

/* Checks every tensor, as pnb_adm_config_infer does; buffers and what only training uses are passed over. head_width:
 * channels a head (DhariwalUNet; SongUNet has one head). */
pnb_status pnb_edm_config_infer(pnb_error *err, pnb_tensor_list tensors, uint32_t head_width, pnb_edm_config *out);
void pnb_edm_config_finish(pnb_edm_config *c);

#endif
