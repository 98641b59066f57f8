"""The URLs of the pages, in the server's namespace: ``visualsnoop_server:collections``."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, register_converter

from django_visualsnoop.server.pages import (
    accounts,
    collections,
    duplicates,
    images,
    keys,
    mail,
    not_duplicates,
    organisations,
    own_account,
    registration,
    removed,
    resolve,
    review,
    search,
)
from django_visualsnoop.server.pages.converters import CollectionId, ImageId

register_converter(CollectionId, "visualsnoop_collection")
register_converter(ImageId, "visualsnoop_image")

_image: list[URLPattern] = [
    path("", images.image, name="image"),
    path("delete/", images.delete, name="delete_image"),
    path("thumbnail", images.picture, {"kind": "thumbnail"}, name="thumbnail"),
    path("original", images.picture, {"kind": "original"}, name="original"),
]

_collection: list[URLPattern | URLResolver] = [
    path("", search.search, name="search"),
    path("images/", images.images, name="images"),
    path("images/<visualsnoop_image:image_id>/", include(_image)),
    path("copies/", duplicates.show_duplicates, name="duplicates"),
    path("copies/apart/", not_duplicates.show_not_duplicates, name="not_duplicates"),
    path("copies/together/", not_duplicates.unmark_not_duplicates, name="unmark_not_duplicates"),
    path("copies/removed/", removed.show_removed, name="removed"),
    path("copies/resolve/", resolve.resolve, name="resolve"),
    path("copies/<visualsnoop_image:image_id>/review/", review.review, name="review"),
    path("keys/", keys.keys, name="keys"),
    path("keys/<slug:public_key>/rotate/", keys.rotate, name="rotate"),
    path("keys/<slug:public_key>/revoke/", keys.revoke, name="revoke"),
    path("settings/", collections.settings, name="settings"),
    path("delete/", collections.delete, name="delete_collection"),
]

urlpatterns = [
    path("", collections.collections, name="collections"),
    path("sign-in/", accounts.sign_in, name="sign_in"),
    path("sign-out/", accounts.sign_out, name="sign_out"),
    path("password/", accounts.password, name="password"),
    path("password/changed/", accounts.password_changed, name="password_changed"),
    path("password/reset/", accounts.reset, name="reset"),
    path("password/reset/<uidb64>/<token>/", accounts.new_password, name="new_password"),
    path("links/<slug:purpose>/<str:text>", mail.follow, name="follow"),
    path("register/", registration.ask_to_register, name="register"),
    path("register/password/", registration.registered, name="registered"),
    path("invitation/", registration.invitation, name="invitation"),
    path("account/", own_account.account, name="account"),
    path("account/address/", own_account.address, name="address"),
    path("account/address/confirm/", own_account.confirm_address, name="confirm_address"),
    path("account/sessions/", own_account.sessions, name="sessions"),
    path("account/sessions/end/", own_account.end_session, name="end_session"),
    path("account/delete/", own_account.delete, name="delete_account"),
    path("collections/new/", collections.new, name="new_collection"),
    path("collections/<visualsnoop_collection:collection_id>/", include(_collection)),
    path("organisations/", organisations.organisations, name="organisations"),
    path("organisations/<int:pk>/", organisations.organisation, name="organisation"),
    path("organisations/<int:pk>/delete/", organisations.delete, name="delete_organisation"),
    path(
        "organisations/<int:pk>/members/<int:membership>/remove/",
        organisations.remove_member,
        name="remove_member",
    ),
    path(
        "organisations/<int:pk>/invitations/<int:invitation>/withdraw/",
        organisations.withdraw,
        name="withdraw",
    ),
    path("invitations/<int:invitation>/accept/", organisations.accept, name="accept"),
    path("invitations/<int:invitation>/decline/", organisations.decline, name="decline"),
]
