"""The sets of pictures: public repositories on GitHub, each at one commit."""

from __future__ import annotations

from typing import NamedTuple


class PictureSet(NamedTuple):
    #: Begins the ids of its images.
    name: str
    #: What its pictures are like.
    kind: str
    #: ``owner/name`` on GitHub.
    repository: str
    commit: str
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
        "fc80ba90f803d79d0383df52c5a4ac5de99ff6fc",
    ),
    PictureSet(
        "shop",
        PRODUCTS,
        "magento/magento2-sample-data",
        "53807565ba9f23c9409268c02bb995cf39ef553d",
    ),
    PictureSet(
        "flowers",
        ANIMALS,
        "daniele-gilio/Machine-Learning-Class",
        "35496a1435a27a0818a486fbe6472e7b4325f983",
        # Most are one of 720 photographs, edited 18 times.
        most=2000,
    ),
    PictureSet(
        "birds",
        ANIMALS,
        "serizba/vision",
        "16a8a47ea88abb31d9b61b81dbbe09347bf72385",
        most=3000,
    ),
    PictureSet(
        "butterflies",
        ANIMALS,
        "dsw88/cs601r-project1-dataset",
        "b01a8ebbd54c247e99699d3ff2576a63ff414549",
        without=("*/segmentations/*",),
    ),
    PictureSet(
        "pets",
        ANIMALS,
        "ardamavi/Dog-Cat-Classifier",
        "9e4f1e1b8eb00fb52c7b1f7e271e573cbe5a2d2f",
    ),
    PictureSet(
        "cats",
        ANIMALS,
        "maxogden/cats",
        "97329b40d7bf3e0fc05314f7d1422e8c08a95a1a",
    ),
    PictureSet(
        "memes",
        DRAWN,
        "jacebrowning/memegen",
        "aa0fc3af4dd1c669cc35039a7d8efcca7d4eb98a",
    ),
    PictureSet(
        "wallpapers-catppuccin",
        DRAWN,
        "catppuccin/wallpapers",
        "72f67e1e198cf07bdfd30f70c074a946e5dc64b4",
    ),
    PictureSet(
        "wallpapers-aesthetic",
        DRAWN,
        "D3Ext/aesthetic-wallpapers",
        "e34f05935c5b768f4c016b0893924d18ec1dba61",
    ),
    PictureSet(
        "wallpapers-plasma",
        DRAWN,
        "KDE/plasma-workspace-wallpapers",
        "1b705475cc181da87ad1af0266cc7ebda3d8e9d5",
    ),
    PictureSet(
        "codes",
        PAGES,
        "zxing/zxing",
        "7f129804e396958ae762da288da5df330d142da0",
    ),
    PictureSet(
        "documents",
        PAGES,
        "OCR-D/assets",
        "d004ab7211fb3d57801e783b184a7ded1e2f5e4b",
    ),
    PictureSet(
        "tiles",
        SURFACES,
        "abin24/Magnetic-tile-defect-datasets.",
        "cc4eb530b57b9cb7225bf76023873043ffd50655",
        without=("*/Imgs/*.png",),
    ),
    PictureSet(
        "from-above",
        SURFACES,
        "siddhant3c/GNR638_Assignment1",
        "e6ad4f752b24ba5051c4c3d9924dfc55478eef5a",
    ),
    PictureSet(
        "castle",
        SCENES,
        "openMVG/ImageDataset_SceauxCastle",
        "fde7f5faba555e3c54700477c304488613346a19",
    ),
    PictureSet(
        "lanes",
        SCENES,
        "udacity/CarND-Advanced-Lane-Lines",
        "91b080357290da37f533e2d0832f601c3e770d51",
    ),
    PictureSet(
        "boards",
        SCENES,
        "udacity/CarND-Camera-Calibration",
        "a9c8b5bb885806e96cc431d1c92a6ae0bd6962ee",
    ),
    PictureSet(
        "stereo",
        SCENES,
        "lessthanoptimal/ValidationBoof",
        "31882866d3240479d05309e85dd9d825e9323ec5",
    ),
    PictureSet(
        "exif",
        CAMERAS,
        "ianare/exif-samples",
        "5332a9cf0220e9c6c93f88a187daa90808051e10",
    ),
    PictureSet(
        "metadata",
        CAMERAS,
        "drewnoakes/metadata-extractor-images",
        "4beba640487802442bc9931fb01274e908102d3a",
    ),
    PictureSet(
        "photoprism",
        CAMERAS,
        "photoprism/photoprism",
        "382ffa89927f9fa2aca6ab83481177e0d81dd405",
    ),
    PictureSet(
        "scikit-image",
        CAMERAS,
        "scikit-image/scikit-image",
        "cd0a3d22b9f359f05618d75d5c7a29b91b4951ca",
    ),
)
