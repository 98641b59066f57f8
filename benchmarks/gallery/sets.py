"""The sets of pictures: public repositories on GitHub."""

from __future__ import annotations

from typing import NamedTuple


class PictureSet(NamedTuple):
    #: Begins the ids of its images.
    name: str
    #: What its pictures are like.
    kind: str
    #: ``owner/name`` on GitHub; one of ``repositories.COMMITS``.
    repository: str
    #: Patterns of paths that are no pictures to look at, such as masks; see ``fnmatch``.
    without: tuple[str, ...] = ()
    #: Take so many pictures, drawn by a seed; all if ``None``.
    most: int | None = None


PRODUCTS, ANIMALS, DRAWN, PAGES = "products", "plants and animals", "drawn", "pages and codes"
SURFACES, CAMERAS, SCENES = "surfaces", "files of cameras and tests", "scenes"

SETS = (
    PictureSet(
        "groceries",
        PRODUCTS,
        "marcusklasson/GroceryStoreDataset",
    ),
    PictureSet(
        "shop",
        PRODUCTS,
        "magento/magento2-sample-data",
    ),
    PictureSet(
        "flowers",
        ANIMALS,
        "daniele-gilio/Machine-Learning-Class",
        # Most are one of 720 photographs, edited 18 times.
        most=2000,
    ),
    PictureSet(
        "birds",
        ANIMALS,
        "serizba/vision",
        most=3000,
    ),
    PictureSet(
        "butterflies",
        ANIMALS,
        "dsw88/cs601r-project1-dataset",
        without=("*/segmentations/*",),
    ),
    PictureSet(
        "pets",
        ANIMALS,
        "ardamavi/Dog-Cat-Classifier",
    ),
    PictureSet(
        "cats",
        ANIMALS,
        "maxogden/cats",
    ),
    PictureSet(
        "memes",
        DRAWN,
        "jacebrowning/memegen",
    ),
    PictureSet(
        "wallpapers-catppuccin",
        DRAWN,
        "catppuccin/wallpapers",
    ),
    PictureSet(
        "wallpapers-aesthetic",
        DRAWN,
        "D3Ext/aesthetic-wallpapers",
    ),
    PictureSet(
        "wallpapers-plasma",
        DRAWN,
        "KDE/plasma-workspace-wallpapers",
    ),
    PictureSet(
        "codes",
        PAGES,
        "zxing/zxing",
    ),
    PictureSet(
        "documents",
        PAGES,
        "OCR-D/assets",
    ),
    PictureSet(
        "tiles",
        SURFACES,
        "abin24/Magnetic-tile-defect-datasets.",
        without=("*/Imgs/*.png",),
    ),
    PictureSet(
        "from-above",
        SURFACES,
        "siddhant3c/GNR638_Assignment1",
    ),
    PictureSet(
        "castle",
        SCENES,
        "openMVG/ImageDataset_SceauxCastle",
    ),
    PictureSet(
        "lanes",
        SCENES,
        "udacity/CarND-Advanced-Lane-Lines",
    ),
    PictureSet(
        "boards",
        SCENES,
        "udacity/CarND-Camera-Calibration",
    ),
    PictureSet(
        "stereo",
        SCENES,
        "lessthanoptimal/ValidationBoof",
    ),
    PictureSet(
        "exif",
        CAMERAS,
        "ianare/exif-samples",
    ),
    PictureSet(
        "metadata",
        CAMERAS,
        "drewnoakes/metadata-extractor-images",
    ),
    PictureSet(
        "photoprism",
        CAMERAS,
        "photoprism/photoprism",
    ),
    PictureSet(
        "scikit-image",
        CAMERAS,
        "scikit-image/scikit-image",
    ),
)
