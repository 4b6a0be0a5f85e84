"""Folders as published datasets and tools leave them, paired by their names."""

import pytest

from datasets.image_folder import names

FOLDERS = {
    "HRF": (
        ["images/0{i}_h.jpg", "images/0{i}_dr.JPG", "manual1/0{i}_h.tif", "manual1/0{i}_dr.tif", "mask/0{i}_h_mask.tif",
         "mask/0{i}_dr_mask.tif"],
        [("images/{id}.jpg", "manual1/{id}.tif"), ("images/{id}.jpg", "mask/{id}_mask.tif")],
    ),
    "STARE": (
        ["stare-images/im000{i}.ppm", "labels-ah/im000{i}.ah.ppm", "labels-vk/im000{i}.vk.ppm"],
        [("stare-images/{id}.ppm", "labels-ah/{id}.ah.ppm"), ("stare-images/{id}.ppm", "labels-vk/{id}.vk.ppm")],
    ),
    "CHASE": (
        ["Image_0{i}L.jpg", "Image_0{i}R.jpg", "Image_0{i}L_1stHO.png", "Image_0{i}R_1stHO.png",
         "Image_0{i}L_2ndHO.png", "Image_0{i}R_2ndHO.png"],
        [("{id}.jpg", "{id}_1stHO.png"), ("{id}.jpg", "{id}_2ndHO.png")],
    ),
    "Oxford Pets": (
        ["images/Beagle_{i}.jpg", "annotations/trimaps/Beagle_{i}.png", "annotations/xmls/Beagle_{i}.xml"],
        [("images/{id}.jpg", "annotations/trimaps/{id}.png")],
    ),
    "ADE20K": (
        ["images/training/ADE_train_{i}.jpg", "annotations/training/ADE_train_{i}.png",
         "images/validation/ADE_val_{i}.jpg", "annotations/validation/ADE_val_{i}.png"],
        [("images/{split}/{id}.jpg", "annotations/{split}/{id}.png")],
    ),
    "Potsdam": (
        ["2_Ortho_RGB/top_potsdam_2_1{i}_RGB.tif", "5_Labels_all/top_potsdam_2_1{i}_label.tif"],
        [("2_Ortho_RGB/{id}_RGB.tif", "5_Labels_all/{id}_label.tif")],
    ),
    "Vaihingen": (
        ["top/top_mosaic_09cm_area{i}.tif", "gts_for_participants/top_mosaic_09cm_area{i}.tif"],
        [("top/{id}.tif", "gts_for_participants/{id}.tif")],
    ),
    "iSAID": (
        ["train/images/P000{i}.png", "train/Semantic_masks/images/P000{i}_instance_color_RGB.png",
         "val/images/P100{i}.png", "val/Semantic_masks/images/P100{i}_instance_color_RGB.png"],
        [("{split}/images/{id}.png", "{split}/Semantic_masks/images/{id}_instance_color_RGB.png")],
    ),
    "ISIC": (
        ["ISIC2018_Task1-2_Training_Input/ISIC_00{i}.jpg",
         "ISIC2018_Task1_Training_GroundTruth/ISIC_00{i}_segmentation.png"],
        [("ISIC2018_Task1-2_{split}_Input/{id}.jpg", "ISIC2018_Task1_{split}_GroundTruth/{id}_segmentation.png")],
    ),
    "VOC": (
        ["JPEGImages/2007_{i}.jpg", "SegmentationClass/2007_{i}.png", "SegmentationObject/2007_{i}.png"],
        [("JPEGImages/{id}.jpg", "SegmentationClass/{id}.png"), ("JPEGImages/{id}.jpg", "SegmentationObject/{id}.png")],
    ),
    "LoveDA": (
        ["Train/Urban/images_png/{i}.png", "Train/Urban/masks_png/{i}.png", "Val/Rural/images_png/1{i}.png",
         "Val/Rural/masks_png/1{i}.png", "Val/Urban/images_png/2{i}.png", "Val/Urban/masks_png/2{i}.png"],
        [("{split}/{group}/images_png/{id}.png", "{split}/{group}/masks_png/{id}.png")],
    ),
    "a folder of any name": (
        ["images/{i}.png", "vessels/{i}.png"],
        [("images/{id}.png", "vessels/{id}.png")],
    ),
    "endings in capitals": (["a{i}.png", "a{i}_MASK.png"], [("{id}.png", "{id}_MASK.png")]),
    "numbered masks": (
        ["images/a{i}.png", "masks/a{i}_0.png", "masks/a{i}_1.png"],
        [("images/{id}.png", "masks/{id}_*.png")],
    ),
    "numbered masks beside the images": (
        ["a{i}.png", "a{i}_mask_0.png", "a{i}_mask_1.png"],
        [("{id}.png", "{id}_mask_*.png")],
    ),
    "numbers without leading zeros": (
        ["images/frame{i}.png", "masks/mask_{i}.png"],
        [("images/frame{id}.png", "masks/mask_{id}.png")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_is_paired_and_its_rivals_are_known(name: str) -> None:
    patterns, expected = FOLDERS[name]
    files = [pattern.replace("{i}", str(i)) for pattern in patterns for i in range(1, 13)]
    matches = names.matches(files)
    assert [(*match.images, *match.masks) for match in matches][: len(expected)] == expected
    assert not matches[0].unpaired


def test_the_further_ones_of_numbered_masks_are_known() -> None:
    files = [f"{kind}.png" for i in range(3) for kind in (f"a{i}", f"a{i}_mask_0", f"a{i}_mask_1", f"a{i}_mask_2")]
    (match,) = names.matches(files)
    assert (
        match.pairs == 3 and len(match.further) == 6 and match.examples == tuple(f"a{i}_mask_0.png" for i in range(3))
    )
