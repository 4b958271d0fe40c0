"""Opens the artifact store that the settings name: files below the data directory, or a bucket."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from registry_proxy.adapters.artifact_files import ArtifactFiles
from registry_proxy.settings import RegistryProxySettings

if TYPE_CHECKING:
    from registry_proxy.adapters.artifact_bucket import ArtifactBucket


class EngineMissing(Exception):
    """The store needs a package that is not installed; the text names it."""


def open_store(settings: RegistryProxySettings) -> "ArtifactFiles | ArtifactBucket":
    """Open the store; raises StoreUnavailable and EngineMissing."""
    folder = settings.data_dir / "artifacts"
    if settings.artifact_store is None:
        return ArtifactFiles(folder)
    try:
        # The client of buckets is an extra, which a laptop need not have.
        from registry_proxy.adapters.artifact_bucket import ArtifactBucket, Bucket  # noqa: PLC0415
    except ImportError as error:
        raise EngineMissing(
            f"ISOGLOSS_REGISTRY_PROXY_ARTIFACT_STORE is {settings.artifact_store}, which needs "
            f"{error.name}: install isogloss-registry-proxy[s3]"
        ) from error
    address = urlsplit(settings.artifact_store)
    secret = settings.s3_secret_access_key
    bucket = Bucket(
        name=address.netloc,
        prefix=address.path.strip("/"),
        region=settings.s3_region,
        endpoint=settings.s3_endpoint,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=secret.get_secret_value() if secret else None,
    )
    return ArtifactBucket(bucket, folder, settings.artifact_cache_bytes)
