#!/bin/sh
# The tasks of the garments: tools/garments and tools/search source this.
# shellcheck disable=SC2034 # what is set here is used there
all_tasks="inpainting superresolution gaussian_deblurring motion_deblurring denoising"

# TASK: its operator and noise, as members of a JSON object; $sigma and $norm are the noise's standard deviation and |A|.
set_task() {
    norm=1 sigma=0.05
    case $1 in
    inpainting) operator='"type": "mask_box", "top": 9, "left": 9, "height": 14, "width": 14' ;;
    superresolution) operator='"type": "average_pool", "factor": 4' norm=0.25 ;;
    gaussian_deblurring) operator='"type": "gaussian_blur", "sigma": 1.5, "size": 11' ;;
    motion_deblurring) operator='"type": "motion_blur", "size": 15, "seed": 5' ;;
    denoising) operator='"type": "identity"' sigma=0.2 ;;
    *) return 1 ;;
    esac
    measured="\"operator\": {$operator}, \"noise\": {\"type\": \"gaussian\", \"sigma\": $sigma}"
}
