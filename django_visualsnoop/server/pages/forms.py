"""The forms of the pages."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_visualsnoop.common.relation_texts import CHOICES
from django_visualsnoop.server.models import (
    HostedCollection,
    Membership,
    Organisation,
    database,
)
from django_visualsnoop.server.tenants.accounts import make_user
from django_visualsnoop.server.tenants.keys import SCOPES
from django_visualsnoop.server.tenants.tenancy import get_organisations

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest

    _CollectionModelForm = forms.ModelForm[HostedCollection]
    _OrganisationModelForm = forms.ModelForm[Organisation]
else:
    _CollectionModelForm = _OrganisationModelForm = forms.ModelForm


class CollectionForm(_CollectionModelForm):
    """The settings that a collection's owner chooses."""

    class Meta:
        model = HostedCollection
        fields = ["name", "retention", "organisation", "min_similarity", "v1_finds_similar"]
        widgets = {"retention": forms.RadioSelect}
        labels = {
            "name": _("Name"),
            "min_similarity": _("Lowest similarity"),
            "retention": _("Retained pictures"),
            "v1_finds_similar": _("Return similar images in API v1, too"),
        }
        help_texts = {
            "retention": _(
                "Applies to pictures that you add from now on. Pictures that are no longer "
                "retained are deleted at once."
            ),
            "organisation": _("Its members can search, add and delete pictures."),
        }

    def __init__(self, user: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["organisation"]
        assert isinstance(choice, forms.ModelChoiceField)
        # Include the current organisation also if the owner has left it, so that the form can keep
        # it or end the sharing.
        choice.queryset = Organisation.objects.using(database()).filter(
            Q(pk__in=get_organisations(user).values("pk")) | Q(pk=self.instance.organisation_id)
        )
        # Users who manage a collection through its organisation cannot choose another one.
        is_others = self.instance.owner_id not in (None, user.pk)
        if is_others or not choice.queryset.exists():
            del self.fields["organisation"]
        else:
            choice.empty_label = str(_("Nobody"))


class NewCollectionForm(CollectionForm):
    class Meta(CollectionForm.Meta):
        fields = ["name", "retention", "organisation"]


class KeyForm(forms.Form):
    """The permissions and validity period of a new key."""

    scopes = forms.MultipleChoiceField(
        label=_("Allows"),
        choices=[
            ("read", _("Read: list images and get their data")),
            ("search", _("Search")),
            ("write", _("Write: add, replace and delete images")),
        ],
        initial=SCOPES,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one. A key must allow something.")},
    )
    days = forms.TypedChoiceField(
        label=_("Expires"),
        coerce=int,
        choices=[
            (0, _("never")),
            (30, _("in 30 days")),
            (90, _("in 90 days")),
            (365, _("in a year")),
        ],
        initial=0,
    )

    @property
    def expires_at(self) -> datetime | None:
        days: int = self.cleaned_data["days"]
        return timezone.now() + timedelta(days=days) if days else None


class PictureForm(forms.Form):
    picture = forms.FileField(
        label=_("Picture"),
        error_messages={
            "required": _("Choose a picture."),
            "empty": _("The file is empty (0 bytes). Choose another file."),
        },
        widget=forms.FileInput(attrs={"accept": "image/*"}),
    )
    relation = forms.ChoiceField(label=_("Show"), choices=CHOICES, required=False)


class OrganisationForm(_OrganisationModelForm):
    class Meta:
        model = Organisation
        fields = ["name"]


class MemberForm(forms.Form):
    """The future member. The form does not look up whether an account has the address."""

    email = forms.EmailField(
        label=_("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    role = forms.ChoiceField(
        label=_("Role"), choices=Membership.Role.choices, initial=Membership.Role.MEMBER
    )


class AddressForm(forms.Form):
    """The address of a new account. The form does not look up whether an account has it."""

    email = forms.EmailField(
        label=_("E-mail address"),
        max_length=150,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        try:
            make_user(email).clean_fields(exclude=["password"])
        except ValidationError as error:
            raise ValidationError(sorted({*error.messages})) from None
        return email


class PasswordForm(forms.Form):
    """The password of a signed-in user, who confirms an action with it.

    Users without a password, who sign in in another way, need none.
    """

    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self._request = request
        super().__init__(*args, **kwargs)
        user: Any = request.user
        if not user.has_usable_password():
            del self.fields["password"]

    def clean_password(self) -> None:
        user = self._request.user
        # In this way, django-axes counts wrong passwords here, too.
        found = authenticate(
            self._request, username=user.get_username(), password=self.cleaned_data["password"]
        )
        if found != user:
            raise ValidationError(_("The password is wrong."))


class NewAddressForm(AddressForm, PasswordForm):
    """The new address of an account."""

    field_order = ["email", "password"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _("New e-mail address")
