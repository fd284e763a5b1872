"""MONAI Label's data stores with labels that are landmarks."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from dicomweb_client.session_utils import create_session_from_user_pass
from monailabel.config import Settings, settings
from monailabel.datastore.dicom import DICOMwebClientX, DICOMWebDatastore
from monailabel.datastore.local import DataModel, ImageLabelModel, LocalDatastore
from monailabel.interfaces.datastore import DefaultLabelTag

from monai_degia.label_app.server.refusals import RefusedRequest
from monai_degia.label_app.server.request_rules import check_plain_name
from monai_degia.label_app.server.uploads import dropped_if_refused
from monai_degia.label_app.store.image_files import check_image_file, file_patterns, single_file
from monai_degia.label_app.store.markup_labels import markup_pixels

__all__ = ["DICOMWebLandmarkStore", "FolderLandmarkStore", "open_datastore"]

logger = logging.getLogger(__name__)


class _LandmarkLabels(LocalDatastore):
    """Checks what comes in; the two stores differ only in where images come from."""

    names: tuple[str, ...] = ()
    max_pixels = 0

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        with dropped_if_refused(image_filename):
            return self._add_image(image_id, image_filename, image_info)

    def _add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        check_plain_name("image", image_id)
        check_image_file(image_filename, self.max_pixels)
        if self.get_labels_by_image_id(image_id):
            raise RefusedRequest(f"{image_id} has labels, which would not fit another image. Delete it first.", 409)
        return super().add_image(image_id, image_filename, image_info)

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        with dropped_if_refused(label_filename):
            return self._save_label(image_id, label_filename, label_tag, label_info)

    def _save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        check_plain_name("tag", label_tag)
        if image_id not in self.list_images():
            raise RefusedRequest(f"There is no image {image_id!r}.", 404)
        if not label_filename.endswith(".json"):
            raise RefusedRequest(f"A label is a .mrk.json file, this one ends in {Path(label_filename).suffix!r}.", 415)
        image = single_file(self.get_image_uri(image_id), str(label_info.get("instance") or ""))
        check_image_file(image, self.max_pixels)
        # What the network found itself may lie anywhere; a person's label far outside belongs to another image.
        margin = float("inf") if label_tag == DefaultLabelTag.ORIGINAL.value else 0.1
        markup_pixels(Path(label_filename).read_bytes(), image, self.names, margin)
        return LocalDatastore.save_label(self, image_id, label_filename, label_tag, label_info)


class FolderLandmarkStore(_LandmarkLabels):
    """A folder of images; labels are kept in its sub-folder ``labels``."""


class DICOMWebLandmarkStore(_LandmarkLabels, DICOMWebDatastore):
    """Series of a DICOMweb server, downloaded as they are; labels stay in the cache folder of this server.

    MONAI Label would convert the series to NIfTI, which loses polarity and pixel size, and send labels back as DICOM
    segmentations, which landmarks are not.
    """

    def get_image_uri(self, image_id: str) -> str:
        """Folder of a series, a file an instance; downloads it if that has not been done."""
        if image_id not in self.list_images():
            raise RefusedRequest(f"There is no series {image_id!r} among those that the search filter finds.", 404)
        folder = super().get_image_uri(image_id)
        if image_id not in self._datastore.objects:
            self._datastore.objects[image_id] = ImageLabelModel(image=DataModel(info=self._dicom_info(image_id)))
            self._update_datastore_file()
        return folder

    def _dicom_info(self, series_id: str) -> dict[str, str]:
        found = super()._dicom_info(series_id)
        return {key: found[key] for key in ("SeriesInstanceUID", "StudyInstanceUID", "Modality") if key in found}

    def update_image_info(self, image_id: str, info: dict[str, Any]) -> None:
        """Add to what is known of a series; it is downloaded first if need be."""
        self.get_image_uri(image_id)
        super().update_image_info(image_id, info)

    def get_label_uri(self, label_id: str, label_tag: str, image_id: str = "") -> str:
        """Path of a label in the cache folder, empty if there is none."""
        return LocalDatastore.get_label_uri(self, label_id, label_tag)

    def get_labeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Series with a final label."""
        return LocalDatastore.get_labeled_images(self, label_tag, labels)

    def get_unlabeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Series without a final label."""
        return sorted(set(self.list_images()) - set(self.get_labeled_images()))

    def datalist(self, full_path: bool = True) -> list[dict[str, Any]]:
        """Pairs of a series' folder and its final label."""
        return LocalDatastore.datalist(self, full_path)


def open_datastore(
    studies: str, names: tuple[str, ...], max_pixels: int
) -> FolderLandmarkStore | DICOMWebLandmarkStore:
    """The data store of a folder or a DICOMweb address.

    Args:
        studies: path or http(s) address.
        names: the K landmarks of a label.
        max_pixels: largest image.

    Returns:
        A data store that refuses what is no image, or no label of these landmarks.

    """
    store = _open_dicomweb(studies) if studies.startswith(("http://", "https://")) else _open_folder(studies)
    store.names, store.max_pixels = names, max_pixels
    return store


def _open_folder(studies: str) -> FolderLandmarkStore:
    store = FolderLandmarkStore(
        studies,
        extensions=_chosen("MONAI_LABEL_DATASTORE_FILE_EXT", file_patterns()),
        auto_reload=settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD,
        read_only=settings.MONAI_LABEL_DATASTORE_READ_ONLY,
    )
    served = {image["image"]["info"].get("name") for image in store.json()["objects"].values()}
    hidden = sorted({f.name for pattern in file_patterns() for f in Path(studies).glob(pattern)} - served)
    if hidden:
        logger.warning(f"Not served, since the name without ending is that of another file: {', '.join(hidden[:10])}")
    return store


def _open_dicomweb(studies: str) -> DICOMWebLandmarkStore:
    user, password = settings.MONAI_LABEL_DICOMWEB_USERNAME, settings.MONAI_LABEL_DICOMWEB_PASSWORD
    client = DICOMwebClientX(
        url=studies.rstrip("/"),
        session=create_session_from_user_pass(user, password) if user and password else None,
        qido_url_prefix=settings.MONAI_LABEL_QIDO_PREFIX,
        wado_url_prefix=settings.MONAI_LABEL_WADO_PREFIX,
        stow_url_prefix=settings.MONAI_LABEL_STOW_PREFIX,
    )
    return DICOMWebLandmarkStore(
        client=client,
        search_filter=_chosen("MONAI_LABEL_DICOMWEB_SEARCH_FILTER", {"Modality": "DX"}),
        cache_path=settings.MONAI_LABEL_DICOMWEB_CACHE_PATH.strip() or None,
        fetch_by_frame=settings.MONAI_LABEL_DICOMWEB_FETCH_BY_FRAME,
        convert_to_nifti=False,
    )


def _chosen(name: str, default: Any) -> Any:
    """A setting of MONAI Label where the user has changed it, else a better default than its own."""
    value = getattr(settings, name)
    # Not by the environment: the command exports all settings to it, chosen or not.
    return default if value == Settings.model_fields[name].default else value
